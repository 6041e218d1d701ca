// Launching a kernel on the host: see cuda_cpu.cpp.
#pragma once
#include "cuda_cpu.h"

namespace cuda_cpu {

struct Launch {
    const char* name;
    Index grid, block;
    bool reverse;         // whether blocks, warps and threads run last to first
    void (*body)(void*);  // what a thread does
    void* data;
};

void run(const Launch& launch);

}  // namespace cuda_cpu
