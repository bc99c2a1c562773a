/** The whole program, as a bundle of its own: `main.ts` loads it for every verb but `index`. */
import type { Command } from './command';
import { calibrateCommand } from './calibrate';
import { cleanCommand } from './clean';
import { clusterCleanCommand } from './cluster-clean';
import { clusterDoctorCommand } from './cluster-doctor';
import { clusterManifestsCommand } from './cluster-manifests';
import { clusterMeasureCommand } from './cluster-measure';
import { configCommand } from './config';
import { gateCommand } from './gate';
import { getCommand } from './get';
import { importTraceCommand } from './import-trace';
import { listCommand } from './list';
import { indexCommand } from './make-index';
import { inspectCommand } from './inspect';
import { lintConfigCommand } from './lint-config';
import { optimizeCommand } from './optimize';
import { planCommand } from './plan';
import { pushCommand } from './push';
import { showCommand } from './show';
import { traceCommand } from './trace';
import { verifyCommand } from './verify';

export { runCli } from './run';
export { Terminal } from './terminal';

export const COMMANDS: readonly Command[] = [
  inspectCommand,
  traceCommand,
  importTraceCommand,
  planCommand,
  calibrateCommand,
  optimizeCommand,
  indexCommand,
  pushCommand,
  verifyCommand,
  listCommand,
  showCommand,
  getCommand,
  cleanCommand,
  gateCommand,
  configCommand,
  lintConfigCommand,
  clusterDoctorCommand,
  clusterManifestsCommand,
  clusterMeasureCommand,
  clusterCleanCommand,
];
