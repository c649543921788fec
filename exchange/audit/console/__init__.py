"""The auditor's console: what mirrors of one or both nodes hold, as local pages."""
