// The map's projection: degrees to units and back, as `exchange/web/region.py` draws it.
export function projection(west, north, degree) {
  const northing = (lat) => (Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) * 180) / Math.PI;
  return {
    xOf: (lon) => (lon - west) * degree,
    yOf: (lat) => (northing(north) - northing(lat)) * degree,
    lonOf: (x) => x / degree + west,
    latOf: (y) =>
      (2 * Math.atan(Math.exp(((northing(north) - y / degree) * Math.PI) / 180)) * 180) / Math.PI - 90,
  };
}

const SVG = "http://www.w3.org/2000/svg";

export const made = (name, values, text) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
