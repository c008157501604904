import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy of the server allows no data: URL but for pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rollupOptions: {
      output: {
        // Each view has a folder with a view.tsx: name its file after the folder.
        chunkFileNames: ({ facadeModuleId, name }) =>
          `assets/${/src\/(\w+)\/view\.tsx$/.exec(facadeModuleId ?? "")?.[1] ?? name}-[hash].js`,
      },
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
