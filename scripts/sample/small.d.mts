export const smallConfig: {
  readonly User: string;
  readonly Env: string[];
  readonly Entrypoint: string[];
  readonly Cmd: string[];
  readonly WorkingDir: string;
};
export function smallLayers(): Promise<{ readonly step: string; readonly tar: Buffer }[]>;
