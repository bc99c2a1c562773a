/** One finding, where it stands. */
export interface SarifResult {
  readonly ruleId: string;
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
  /** As a path or URI from the root of what is checked. */
  readonly file: string;
  readonly region: SarifRegion;
  /** What makes the finding go away. */
  readonly fix?: {
    readonly description: string;
    readonly replacements: readonly { readonly region: SarifRegion; readonly text: string }[];
  };
}

/** From 1 on, as SARIF counts. */
export interface SarifRegion {
  readonly startLine: number;
  readonly startColumn?: number;
  readonly endLine?: number;
  readonly endColumn?: number;
}

export interface SarifRule {
  readonly id: string;
  /** What the rule wants, in a sentence. */
  readonly description: string;
}

/**
 * Findings as a SARIF 2.1.0 log (OASIS, §3.13 and §3.27), which code scanning of forges reads.
 *
 * @returns the text of the file
 */
export function sarifLog(rules: readonly SarifRule[], results: readonly SarifResult[]): string {
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'SOCI Lens',
            rules: rules.map(({ id, description }) => ({ id, shortDescription: { text: description } })),
          },
        },
        results: results.map(({ ruleId, level, message, file, region, fix }) => {
          // A URI reference with forward slashes (§3.4), from any system.
          const artifactLocation = { uri: encodeURI(file.replaceAll('\\', '/')) };
          return {
            ruleId,
            level,
            message: { text: message },
            locations: [{ physicalLocation: { artifactLocation, region } }],
            ...(fix && {
              fixes: [
                {
                  description: { text: fix.description },
                  artifactChanges: [
                    {
                      artifactLocation,
                      replacements: fix.replacements.map(({ region: deletedRegion, text }) => ({
                        deletedRegion,
                        insertedContent: { text },
                      })),
                    },
                  ],
                },
              ],
            }),
          };
        }),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}
