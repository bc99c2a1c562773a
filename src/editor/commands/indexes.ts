/** Making, pushing, listing and checking SOCI indexes. */
import * as vscode from 'vscode';
import { LensError } from '../../errors';
import { formatCount } from '../language';
import { describeIndex } from '../describe';
import { requireTrust } from '../actions';
import { homeOf, shortName } from '../keys';
import { askForIndex, detailOf, pickKnownImage } from '../questions';
import { pick } from '../steps';
import { TaskKind } from '../tasks';
import type { Survey } from '../store';
import { pushIndexed, survey, type Verified, verify } from '../work/indexes';
import { askedKey, keyOfArgument } from './arguments';
import { nextCommand, sayDone } from './next';
import type { Argument, Bench, CommandTable } from './table';

const PUSH = new TaskKind<string>('push');
const LIST = new TaskKind<Survey>('list');
const VERIFY = new TaskKind<Verified>('verify');

export function indexCommands(bench: Bench): CommandTable {
  const { services, actions } = bench;
  const { store, tasks } = services;

  const make = async (argument: Argument, to: 'any' | 'folder', title: string) => {
    const key = await askedKey(bench, argument, title);
    if (key === undefined) return;
    const made = await actions.makeIndex(key, to);
    if (!made) return;
    // Where it went is an image of its own, and can be looked at and checked.
    store.update(made.destination, {});
    const isFolder = made.destination.startsWith('oci:');
    sayDone(
      vscode.l10n.t('{0} holds the image with its index: {1}', made.destination, made.digest),
      isFolder
        ? nextCommand(vscode.l10n.t('Push Index'), 'pushIndex', made.destination)
        : nextCommand(vscode.l10n.t('Verify Index'), 'verifyIndex', made.destination),
    );
  };
  const keptImage = async (argument: Argument, title: string) =>
    keyOfArgument(argument) ??
    (await pickKnownImage(services, title, ({ reference }) => homeOf(reference) !== 'engine'));

  return {
    createIndex: (argument) => make(argument, 'folder', vscode.l10n.t('Create Index')),
    createAndPushIndex: (argument) => make(argument, 'any', vscode.l10n.t('Create and Push Index')),
    async optimizeImage(argument) {
      const key = await askedKey(bench, argument, vscode.l10n.t('Optimize Image'));
      const done = key === undefined ? null : await actions.optimizeImage(key);
      if (done !== null) void vscode.window.showInformationMessage(done);
    },
    async pushIndex(argument) {
      requireTrust(vscode.l10n.t('an index is pushed with your credentials'));
      const title = vscode.l10n.t('Push Index');
      const isLayout = ({ reference }: { readonly reference: string }) => reference.startsWith('oci:');
      const key = keyOfArgument(argument) ?? (await pickKnownImage(services, title, isLayout));
      if (key === undefined) return;
      const answers = await askForIndex(services, key, { to: 'registry', title, prefetch: false });
      if (!answers) return;
      const { destination } = answers;
      const push = vscode.l10n.t('Push');
      const facts = [vscode.l10n.t('From: {0}', key), vscode.l10n.t('To: {0}', destination)];
      const detail = detailOf(facts, [
        vscode.l10n.t('What the destination holds under this name is replaced.'),
      ]);
      const question = vscode.l10n.t('Push {0}?', shortName(key));
      const chosen = await vscode.window.showInformationMessage(question, { modal: true, detail }, push);
      if (chosen !== push) return;
      const line = await services.line();
      const target = line.parseDestination(destination);
      if (target.transport !== 'docker') throw new Error('The question lets only registries through.');
      const progress = vscode.l10n.t('Pushing {0}', shortName(key));
      const digest = await tasks.run(
        PUSH,
        key,
        progress,
        (task) => pushIndexed(services, key, target.registry, task),
        { about: destination },
      );
      store.update(destination, {});
      sayDone(
        vscode.l10n.t('{0} holds the image with its index: {1}', destination, digest),
        nextCommand(vscode.l10n.t('Verify Index'), 'verifyIndex', destination),
      );
    },
    async listIndexes(argument) {
      const title = vscode.l10n.t('List Indexes');
      const key = await keptImage(argument, title);
      if (key === undefined) return;
      const progress = vscode.l10n.t('Listing the indexes of {0}', shortName(key));
      const { indexes } = await tasks.run(LIST, key, progress, ({ signal }) => survey(services, key, signal));
      if (indexes.length === 0) {
        const none = vscode.l10n.t('{0} has no SOCI index.', shortName(key));
        sayDone(none, nextCommand(vscode.l10n.t('Create Index'), 'createAndPushIndex', key));
        return;
      }
      const chosen = await pick(
        { title, step: 1, of: 1 },
        vscode.l10n.t('Choose one to copy its digest'),
        indexes.map((index) => ({
          label: `v${index.version} · ${index.digest.slice(0, 19)}…`,
          description: describeIndex(index),
          detail: index.digest,
          value: index.digest,
        })),
      );
      if (typeof chosen === 'string') await vscode.env.clipboard.writeText(chosen);
    },
    async verifyIndex(argument) {
      const key = await keptImage(argument, vscode.l10n.t('Verify Index'));
      if (key === undefined) return;
      const progress = vscode.l10n.t('Verifying {0}', shortName(key));
      const { report, origins } = await tasks.run(VERIFY, key, progress, (task) =>
        verify(services, key, task),
      );
      const layers = report.platforms.flatMap((platform) => platform.layers);
      const problems = [
        ...report.problems,
        ...[...report.platforms, ...layers].flatMap((part) => part.problems),
      ];
      const [first] = problems;
      if (!report.ok) {
        for (const problem of problems) services.log.error(`${key}: ${problem}`);
        throw new LensError(
          'editor/index-wrong',
          vscode.l10n.t('The index of {0} does not hold: {1}', shortName(key), first ?? ''),
          vscode.l10n.t('Create and push it again; the log lists every problem.'),
        );
      }
      const stale = origins.find(({ state }) => state === 'stale');
      if (stale) {
        services.log.warn(`${key}: ${stale.message}`);
        throw new LensError(
          'editor/image-stale',
          vscode.l10n.t(
            'The index of {0} holds, but the image is stale: {1} is another image now than the one it was optimized from.',
            shortName(key),
            stale.place ?? '',
          ),
          vscode.l10n.t('Optimize that image anew; the log has both digests.'),
        );
      }
      const spans = layers.reduce((sum, { checkedSpans }) => sum + checkedSpans, 0);
      const done = vscode.l10n.t(
        'The index of {0} holds: {1} layers, {2} spans read back.',
        shortName(key),
        formatCount(layers.length),
        formatCount(spans),
      );
      sayDone(done, nextCommand(vscode.l10n.t('Show in Tree'), 'revealInTree', key));
    },
    async copyDigest(argument) {
      const digest =
        typeof argument === 'object' && argument !== null && 'digest' in argument
          ? argument.digest
          : undefined;
      if (typeof digest === 'string') {
        await vscode.env.clipboard.writeText(digest);
        return;
      }
      const key = await askedKey(bench, argument, vscode.l10n.t('Copy Digest'));
      if (key === undefined) return;
      const { image } = await actions.open(key);
      await vscode.env.clipboard.writeText(image.descriptor.digest);
    },
  };
}
