/** Names of renderers that draw WebGL on the CPU. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|microsoft basic render/i;

/** Whether a graphics card draws WebGL 2. Without one, browsers have no WebGL, or draw it slowly on the CPU. */
export function hasCard(): boolean {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!context) return false;
  const named = context.getExtension("WEBGL_debug_renderer_info");
  const name = named
    ? context.getParameter(named.UNMASKED_RENDERER_WEBGL)
    : context.getParameter(context.RENDERER);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(String(name));
}
