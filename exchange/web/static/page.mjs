// What every page does: keys, the help dialog, and news over one open connection.
import { listenToKeys } from "./keys.mjs";
import { listenToNews } from "./live.mjs";

listenToKeys(document);
listenToNews(document);
