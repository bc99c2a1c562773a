/** A little extension of somebody else that uses the API of SOCI Lens, as its documentation says. */
import * as vscode from 'vscode';
import type { SociLensApi } from '../../../src/extension';

export async function activate(): Promise<{
  largestLayer(image: string, signal?: AbortSignal): Promise<number>;
  readonly heard: readonly string[];
}> {
  const api = await vscode.extensions.getExtension<SociLensApi>('soci-lens.soci-lens')?.activate();
  if (api?.version !== 1) throw new Error('SOCI Lens is not installed, or speaks another version.');
  const heard: string[] = [];
  api.onDidAnalyze(({ image }) => heard.push(image));
  return {
    heard,
    async largestLayer(image, signal) {
      const { plan } = await api.analyze(image, signal);
      return Math.max(...plan.layers.map(({ size }) => size));
    },
  };
}
