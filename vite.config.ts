import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Bundles the local chat page into dist/page, from where src/chat/local serves it. */
export default defineConfig({
  root: folder('src/page'),
  // Subpath imports lead to the sources, as they do for tests.
  resolve: { conditions: ['mumu-source', 'module', 'browser', 'development|production'] },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: folder('dist/page'),
    emptyOutDir: true,
    // light-dark() and nesting are used as they are.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // A data: address would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
