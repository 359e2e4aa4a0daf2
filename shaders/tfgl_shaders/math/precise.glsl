// PRECISE forbids the compiler to reorder or contract what computes a variable; GLSL has it from 4.00 on, and before that
// with GL_ARB_gpu_shader5, which whoever writes the #version line may enable and then define PRECISE.
#ifndef PRECISE
#if __VERSION__ >= 400
#define PRECISE precise
#else
#define PRECISE
#endif
#endif
