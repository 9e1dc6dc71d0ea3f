import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/**
 * No part of a first load: fonts of other alphabets, fetched when a page shows one of their letters, and what draws a
 * background below the map, fetched where one is configured.
 */
const ON_DEMAND = /latin-ext|assets\/(background-|maplibre-gl)/;

/** Prints what a first load costs over the wire, and fails the build beyond the budget (in KiB of gzip). */
export function sizeBudget(budget: number): Plugin {
  let folder = '';
  return {
    name: 'size-budget',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      if (!existsSync(folder)) return;
      let total = 0;
      for (const file of filesBelow(folder)) {
        const name = relative(folder, file);
        if (name.startsWith('.')) continue;
        const size = gzipSync(readFileSync(file)).length / 1024;
        const onDemand = ON_DEMAND.test(name);
        if (!onDemand) total += size;
        console.log(`${size.toFixed(1).padStart(8)} KiB  ${name}${onDemand ? '  (on demand)' : ''}`);
      }
      console.log(`${total.toFixed(1).padStart(8)} KiB  first load, gzip (budget ${budget} KiB)`);
      if (total > budget) throw new Error(`The first load is ${total.toFixed(0)} KiB; ${budget} KiB are allowed.`);
    },
  };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
