// Counts the WebGL programs that are linked from here on.
'use strict';
globalThis.linkedPrograms = 0;
for (const {prototype} of [WebGLRenderingContext, WebGL2RenderingContext]) {
  const {linkProgram} = prototype;
  prototype.linkProgram = function(program) {
    globalThis.linkedPrograms += 1;
    return linkProgram.call(this, program);
  };
}
