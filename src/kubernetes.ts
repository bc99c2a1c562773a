/**
 * What asks a Kubernetes cluster, as a bundle of its own: the client is larger than all of the editor's own code, and is loaded
 * when somebody measures or cleans up (`await import('../kubernetes')`).
 */
export { checkRemovable, findClusterItems } from './cluster/clean';
export { listContexts, openCluster } from './cluster/access';
export { describeMeasurePlan, planMeasure } from './cluster/measure/plan';
export { measureNotes, measureTable } from './cluster/measure/summary';
export { runMeasure } from './cluster/measure/run';
