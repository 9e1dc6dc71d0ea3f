import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

/** Text from feeds is only ever a text node. These are the doors through which it could become markup. */
const MARKUP_DOORS = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'setHTML', 'setHTMLUnsafe', 'srcdoc'];

export default ts.config(
  { ignores: ['node_modules', 'dist', 'test-results'] },
  ...ts.configs.strict,
  ...svelte.configs['flat/recommended'],
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig, extraFileExtensions: ['.svelte'] } },
  },
  {
    rules: {
      'max-lines': ['error', 300],
      'max-params': ['error', 5],
      complexity: ['error', 14],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-properties': ['error', ...MARKUP_DOORS.map((property) => ({ property, message: 'Make a text node.' }))],
      'no-restricted-globals': [
        'error',
        { name: 'Date', message: 'Ages and clocks come from the server: see lib/clock. Times are parsed in lib/time.' },
        { name: 'eval', message: 'The CSP forbids it.' },
      ],
      'no-implied-eval': 'error',
      'svelte/no-at-html-tags': 'error',
      'svelte/no-target-blank': 'error',
      // The page navigates with its own tiny router, which keeps the whole state in the address.
      'svelte/no-navigation-without-resolve': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/**/*.svelte.ts'],
    rules: { 'max-lines-per-function': ['error', { max: 40, skipComments: true, skipBlankLines: true }] },
  },
  // The only places that turn text into instants and back, and the build's own tools.
  { files: ['src/lib/time.ts', 'src/lib/zone.ts'], rules: { 'no-restricted-globals': 'off' } },
  { files: ['build/**', 'tests/**', 'vite.config.ts', 'public/**'], rules: { 'no-console': 'off', 'no-restricted-globals': 'off' } },
);
