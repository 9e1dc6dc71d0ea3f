import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { sizeBudget } from './build/budget.ts';

/** Where the server of `npm run dev` finds Wayside. */
const server = process.env.WAYSIDE_URL ?? 'http://127.0.0.1:8000';
const paths = ['/v1', '/api', '/livez', '/readyz', '/metrics', '/openapi.json', '/docs'];

export default defineConfig({
  plugins: [svelte(), sizeBudget(450)],
  build: {
    outDir: '../src/wayside/web/dist',
    emptyOutDir: true,
    target: 'es2023',
    // A strict CSP allows no data: fonts or images beyond what we name; every asset is a file.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
  },
  server: { proxy: Object.fromEntries(paths.map((path) => [path, { target: server, changeOrigin: true }])) },
});
