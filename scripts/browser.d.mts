import type { Browser } from 'playwright-core';

/** Starts the browser of the suites without a window. */
export function startBrowser(): Promise<Browser>;
