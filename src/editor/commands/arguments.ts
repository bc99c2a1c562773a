/** What commands are called with, told apart: a lens gives a key or a stage, the tree an item, the explorer a file. */
import * as vscode from 'vscode';
import { pickKnownImage } from '../questions';
import type { StageArgument } from '../lens';
import type { FileNode, LayerNode } from '../tree';
import type { Argument, Bench } from './table';

/** The key of the image that an argument is about: the key itself, or any item below the image. */
export function keyOfArgument(argument: Argument): string | undefined {
  if (typeof argument === 'string') return argument;
  for (let node = argument; isRecord(node); node = node['layer'] ?? node['parent']) {
    if (typeof node['reference'] === 'string') return node['reference'];
  }
  return undefined;
}

/** The image of the argument, else one that was looked at, else any. */
export async function askedKey(bench: Bench, argument: Argument, title: string): Promise<string | undefined> {
  return (
    keyOfArgument(argument) ??
    bench.maps.active ??
    (bench.services.store.all.length > 0
      ? pickKnownImage(bench.services, title)
      : bench.actions.pickImage(title))
  );
}

export function stageOf(argument: Argument): StageArgument | undefined {
  if (argument instanceof vscode.Uri) return { dockerfile: argument, target: undefined };
  if (!isRecord(argument) || !(argument['dockerfile'] instanceof vscode.Uri)) return undefined;
  const { dockerfile, target } = argument;
  return { dockerfile, target: typeof target === 'string' ? target : undefined };
}

export function fileOf(argument: Argument): FileNode | undefined {
  return isRecord(argument) && argument['kind'] === 'file' ? (argument as unknown as FileNode) : undefined; // Made by our own tree.
}

export function layerOf(argument: Argument): LayerNode | undefined {
  return isRecord(argument) && argument['kind'] === 'layer' ? (argument as unknown as LayerNode) : undefined; // Made by our own tree.
}

/** The file that an item of the traces, the explorer or the editor stands for. */
export function uriOf(argument: Argument): vscode.Uri | undefined {
  if (argument instanceof vscode.Uri) return argument;
  return isRecord(argument) && argument['uri'] instanceof vscode.Uri ? argument['uri'] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
