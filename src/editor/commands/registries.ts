/** Signing in and out. What is typed goes into the secret storage and nowhere else. */
import * as vscode from 'vscode';
import { homeOf } from '../keys';
import { problem } from '../questions';
import type { Services } from '../services';
import { askInSteps, BACK, enter, pick, type Place } from '../steps';
import type { Argument, Bench, CommandTable } from './table';

interface SignIn {
  readonly host?: string;
  readonly username?: string;
  readonly password?: string;
}

export function registryCommands({ services }: Bench): CommandTable {
  const { signIns } = services;
  return {
    async signIn(argument) {
      const answers = await askSignIn(services, argument);
      if (answers?.host === undefined || answers.username === undefined || answers.password === undefined)
        return;
      await signIns.signIn(answers.host, answers.username, answers.password);
      services.log.info(`Signed in to ${answers.host}.`);
      void vscode.window.showInformationMessage(vscode.l10n.t('Signed in to {0}.', answers.host));
    },
    async signOut(argument) {
      const title = vscode.l10n.t('Sign Out of a Registry');
      if (signIns.hosts.length === 0) {
        const none = vscode.l10n.t('Nobody is signed in here; sign-ins of docker login stay with Docker.');
        void vscode.window.showInformationMessage(none);
        return;
      }
      const host =
        typeof argument === 'string'
          ? argument
          : await pick(
              { title, step: 1, of: 1 },
              vscode.l10n.t('Registry'),
              signIns.hosts.map((value) => ({ label: value, value })),
            );
      if (host === undefined || host === BACK) return;
      await signIns.signOut(host);
      services.log.info(`Signed out of ${host}.`);
      void vscode.window.showInformationMessage(vscode.l10n.t('Signed out of {0}.', host));
    },
  };
}

async function askSignIn(services: Services, argument: Argument): Promise<SignIn | undefined> {
  const rooms = await services.line();
  /** The registries of images that are known, so that they need not be typed. */
  const known = services.store.all.flatMap(({ reference }) =>
    homeOf(reference) === 'registry' ? (/^docker:\/\/([^/]+)\//.exec(reference)?.[1] ?? []) : [],
  );
  /** The host as images name it, for which sign-ins are asked; undefined where the text is none, or more than that. */
  const hostOf = (text: string) => {
    const source = rooms.parseReference(`docker://${text}/name`);
    if (source.transport !== 'docker') return undefined;
    const { host, repository } = source.registry;
    return /^(library\/)?name$/.test(repository) ? host : undefined;
  };
  const prompt = vscode.l10n.t('Registry, as HOST or HOST:PORT');
  const askHost = async (answers: SignIn, place: Place) => {
    const text = await enter(place, prompt, {
      value: answers.host ?? known.at(-1),
      placeholder: 'registry.example:5000',
      problem: (host) => problem(() => hostOf(host)) ?? (hostOf(host) === undefined ? prompt : undefined),
    });
    return typeof text === 'string' ? { ...answers, host: hostOf(text) ?? text } : text;
  };
  const steps = [
    async (answers: SignIn, place: Place) => {
      const username = await enter(place, vscode.l10n.t('User name at {0}', answers.host ?? ''), {
        value: answers.username,
      });
      return typeof username === 'string' ? { ...answers, username } : username;
    },
    async (answers: SignIn, place: Place) => {
      const password = await enter(
        place,
        vscode.l10n.t('Password or access token; it is kept in the secret storage of VS Code'),
        { password: true },
      );
      return typeof password === 'string' ? { ...answers, password } : password;
    },
  ];
  const start: SignIn = typeof argument === 'string' ? { host: argument } : {};
  return askInSteps(
    vscode.l10n.t('Sign In to a Registry'),
    start,
    start.host === undefined ? [askHost, ...steps] : steps,
  );
}
