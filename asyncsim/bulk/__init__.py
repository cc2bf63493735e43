"""Jobs: thousands of SIMs from a file, sent, awaited, recorded and resumed. Extra: `bulk`."""
