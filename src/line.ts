/**
 * The whole line, from an image to its index in a registry, as one bundle. The editor loads it with the first command that needs it
 * (`await import('../line')`), so that activation stays small; scripts/start.mjs loads the same bundle.
 */
export {
  formatRegistryName,
  parseDestination,
  parseReference,
  type Destination,
  type Reference,
} from './image/reference';
export { connectEngine, imageChanges, inspectEngineImage, listImages, type Engine } from './image/engine';
export { buildImage } from './image/build';
export { keepCached } from './image/cached-layout';
export { exportImage } from './image/export';
export { openImage } from './image/open';
export { makeSmallSample } from './image/small-sample';
export { scanImage, type LayerResult } from './image/scan';
export { matchLayers, parseDockerfile } from './image/dockerfile';
export { layerSteps } from './image/steps';
export { openLayout, type OciLayout } from './image/layout';
export { createLayout, type LayoutWriter } from './image/layout-writer';
export { openScanCache } from './layer/cache';
export { createScanPool, type ScanPool } from './layer/pool';
export { fileContent } from './layer/file-content';
export { formatPlatform, parsePlatform } from './oci/platform';
export { readTrace, scanTrace, writeTrace } from './trace/file';
export { mapTrace } from './trace/map';
export { uniteRuns } from './trace/runs';
export { parseReadyRule } from './trace/ready';
export { recordStart } from './trace/record';
export { guessImage } from './trace/guess/image';
export { findLeftovers, removeLeftovers } from './trace/leftovers';
export { listedSpans, orderOf } from './plan/order';
export { parseNetwork } from './plan/network';
export { parseNode } from './plan/node';
export { findInThread } from './plan/blame/thread';
export { comparePictures, createPicture } from './plan/picture';
export { csvLines, jsonLines } from './plan/picture/lists';
export { formatSize } from './plan/format';
export { layerTouches } from './plan/touches';
export { findHidden } from './plan/blame/waste';
export { renderReport } from './plan/report';
export { adviseBuild } from './optimize/advice';
export { forecastWays } from './optimize/forecast';
export { withOptimized } from './optimize/indexed';
export { checkOrigin } from './optimize/stale';
export { OPTIMIZE_WAYS } from './optimize/types';
export { diagnose } from './cluster/doctor/diagnose';
export { connectAnonymously, gatherImage } from './cluster/doctor/evidence';
export { describeDiagnosis } from './cluster/doctor/report';
export { findCached } from './cleanup/cache';
export { findBuilt, findLeft } from './cleanup/engine';
export { findIndexes } from './cleanup/registry';
export { findSociCli, runSociCli } from './soci/cli-indexer';
export { attachLayout, convertLayout } from './soci/convert';
export { verifyLayout } from './soci/verify';
export { pushLayout } from './soci/push';
export { chooseBytes } from './soci/pushed';
export { listIndexes, indexedLayers, type ImageIndexes } from './soci/discover';
export { pushReferrers } from './soci/referrers';
export { registryStore, type BlobStore } from './soci/store';
export { connectRegistry, type RegistryClient } from './registry/client';
export { dockerCredentials } from './registry/credentials';
