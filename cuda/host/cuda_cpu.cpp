// The scheduler behind cuda_cpu.h. It is compiled without a sanitizer, so that what it does itself is not taken for what
// a kernel does, and tells the sanitizers by hand: -DCUDA_CPU_ADDRESS for AddressSanitizer which stack is in use,
// -DCUDA_CPU_THREAD for ThreadSanitizer that every fiber is a thread of its own and what orders them.
#include "cuda_cpu.h"

#include "scheduler.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>
#ifdef CUDA_CPU_ADDRESS
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CUDA_CPU_THREAD
#include <sanitizer/tsan_interface.h>
#endif

// The shared arrays of all kernels: the build gives the section of their static variables this name.
extern "C" char __start_cuda_shared[] __attribute__((weak));
extern "C" char __stop_cuda_shared[] __attribute__((weak));

namespace cuda_cpu {
namespace {

constexpr size_t STACK = 512 << 10;  // room for a sanitizer's report, too
constexpr unsigned WARP = 32;

enum class State { READY, AT_BARRIER, IN_WARP, DONE };

// A stack to switch to.
struct Context {
    ucontext_t registers;
    const void* stack = nullptr;
    size_t stack_size = 0;
    void* fake_stack = nullptr;  // of AddressSanitizer
    void* sanitizer = nullptr;   // ThreadSanitizer's name of this fiber
};

// What orders threads that wait for each other: its address is a synchronisation variable of ThreadSanitizer.
struct Meeting {
    char address;
};

struct Warp {
    Meeting meeting;
    Slot in[WARP], out[WARP];  // what lanes hand in; what they get when they are let go
};

struct Fiber {
    Context context;
    unsigned number;  // in the block
    Index index;
    State state;
    Site site;      // of the collective that it waits in
    unsigned mask;  // of that collective
    bool ordered;   // whether that collective orders memory
};

struct Machine {
    Context scheduler;
    std::vector<std::unique_ptr<Fiber>> fibers;  // kept from launch to launch
    std::vector<Warp> warps;
    Meeting start, barrier, end;
    Fiber* running = nullptr;
    Launch launch;
    Index block;
    unsigned threads;  // of a block
};

Machine machine;

// What threads did before they were released at a meeting comes before what follows an acquisition of it. A fiber that
// waits acquires before anyone goes on: one that went on might be back and release what the others must not see yet.
void release(Meeting& meeting) {
#ifdef CUDA_CPU_THREAD
    __tsan_release(&meeting.address);
#else
    (void)meeting;
#endif
}

void acquire(Meeting& meeting) {
#ifdef CUDA_CPU_THREAD
    __tsan_acquire(&meeting.address);
#else
    (void)meeting;
#endif
}

void acquire_for(Fiber& fiber, Meeting& meeting) {
#ifdef CUDA_CPU_THREAD
    __tsan_switch_to_fiber(fiber.context.sanitizer, __tsan_switch_to_fiber_no_sync);
    acquire(meeting);
    __tsan_switch_to_fiber(machine.scheduler.sanitizer, __tsan_switch_to_fiber_no_sync);
#else
    (void)fiber, (void)meeting;
#endif
}

void switch_context(Context& from, Context& to) {
#ifdef CUDA_CPU_ADDRESS
    __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_size);
#endif
#ifdef CUDA_CPU_THREAD
    __tsan_switch_to_fiber(to.sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
    swapcontext(&from.registers, &to.registers);
#ifdef CUDA_CPU_ADDRESS
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

[[noreturn]] void fail(const Fiber& fiber, const char* what) {
    const Index block = machine.block, thread = fiber.index;
    std::fprintf(stderr, "cuda_cpu: %s, block (%u, %u, %u), thread (%u, %u, %u)", machine.launch.name, block.x, block.y,
                 block.z, thread.x, thread.y, thread.z);
    if (fiber.site.file) std::fprintf(stderr, ", at %s:%d", fiber.site.file, fiber.site.line);
    std::fprintf(stderr, ": %s\n", what);
    std::fflush(nullptr);
    _exit(1);
}

// Gives the processor back until the scheduler lets the fiber go on.
void wait(Fiber& fiber, State state) {
    fiber.state = state;
    switch_context(fiber.context, machine.scheduler);
}

void enter() {
#ifdef CUDA_CPU_ADDRESS
    __sanitizer_finish_switch_fiber(nullptr, &machine.scheduler.stack, &machine.scheduler.stack_size);
#endif
    Fiber& fiber = *machine.running;
    for (;;) {
        acquire(machine.start);
        machine.launch.body(machine.launch.data);
        release(machine.end);
        wait(fiber, State::DONE);
    }
}

std::unique_ptr<Fiber> new_fiber(unsigned number) {
    auto fiber = std::make_unique<Fiber>();
    fiber->number = number;
    const size_t page = sysconf(_SC_PAGESIZE);
    void* memory = mmap(nullptr, STACK + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
        std::perror("cuda_cpu: the stack of a thread");
        std::exit(1);
    }
    Context& context = fiber->context;
    context.stack = static_cast<char*>(memory) + page;
    context.stack_size = STACK;
    getcontext(&context.registers);
    context.registers.uc_stack.ss_sp = const_cast<void*>(context.stack);
    context.registers.uc_stack.ss_size = STACK;
    makecontext(&context.registers, enter, 0);
    // Or AddressSanitizer's swapcontext would forget the red zones of the stack at every switch.
    context.registers.uc_stack.ss_size = 0;
#ifdef CUDA_CPU_THREAD
    context.sanitizer = __tsan_create_fiber(0);
    char name[32];
    std::snprintf(name, sizeof name, "thread %u of its block", number);
    __tsan_set_fiber_name(context.sanitizer, name);
#endif
    return fiber;
}

bool same(Site a, Site b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

// Number of the `i`th thread, warp or block to run.
unsigned at(unsigned i, unsigned count) { return machine.launch.reverse ? count - 1 - i : i; }

// The warp collective that a lane waits in must be that of all lanes of its mask, none of which can go on by itself.
void check_collective(const Fiber& fiber, unsigned first, unsigned lanes) {
    for (unsigned lane = 0; lane < lanes; lane++) {
        if (!(fiber.mask >> lane & 1)) continue;
        const Fiber& peer = *machine.fibers[first + lane];
        if (peer.state != State::IN_WARP) fail(fiber, "a lane of the mask does not reach this warp collective");
        if (peer.mask != fiber.mask || !same(peer.site, fiber.site))
            fail(fiber, "a lane of the mask waits in another warp collective");
    }
}

// Runs the threads of a warp until none can go on without the rest of the block.
void run_warp(unsigned number) {
    const unsigned first = number * WARP, lanes = machine.threads - first < WARP ? machine.threads - first : WARP;
    Warp& warp = machine.warps[number];
    for (bool more = true; more;) {
        for (unsigned i = 0; i < lanes; i++) {
            Fiber& fiber = *machine.fibers[first + at(i, lanes)];
            if (fiber.state != State::READY) continue;
            machine.running = &fiber;
            switch_context(machine.scheduler, fiber.context);
        }
        more = false;
        for (unsigned lane = 0; lane < lanes; lane++) {
            const Fiber& fiber = *machine.fibers[first + lane];
            if (fiber.state == State::IN_WARP) check_collective(fiber, first, lanes);
        }
        for (unsigned lane = 0; lane < lanes; lane++) {
            Fiber& fiber = *machine.fibers[first + lane];
            if (fiber.state != State::IN_WARP) continue;
            if (fiber.ordered) acquire_for(fiber, warp.meeting);
            warp.out[lane] = warp.in[lane];
            fiber.state = State::READY;
            more = true;
        }
    }
}

// Lets the threads that wait at the barrier go on; false where all are done.
bool open_barrier() {
    const Fiber* waiting = nullptr;
    bool done = false;
    for (unsigned i = 0; i < machine.threads; i++) {
        const Fiber& fiber = *machine.fibers[i];
        if (fiber.state == State::DONE) done = true;
        else if (!waiting) waiting = &fiber;
    }
    if (!waiting) return false;
    if (done) fail(*waiting, "other threads of the block returned without this __syncthreads()");
    for (unsigned i = 0; i < machine.threads; i++) {
        Fiber& fiber = *machine.fibers[i];
        if (!same(fiber.site, waiting->site)) fail(fiber, "other threads of the block wait at another __syncthreads()");
        acquire_for(fiber, machine.barrier);
        fiber.state = State::READY;
    }
    return true;
}

void run_block(Index block) {
    machine.block = block;
    // Byte by byte and volatile: a call of memset would be AddressSanitizer's, which guards the gaps between arrays.
    for (volatile char* byte = __start_cuda_shared; byte < __stop_cuda_shared; byte++) *byte = '\xff';
    for (unsigned i = 0; i < machine.threads; i++) {
        Fiber& fiber = *machine.fibers[i];
        fiber.state = State::READY;
        fiber.site = {nullptr, 0};
    }
    release(machine.start);
    const unsigned warps = machine.warps.size();
    do {
        for (unsigned warp = 0; warp < warps; warp++) run_warp(at(warp, warps));
    } while (open_barrier());
    acquire(machine.end);
}

}  // namespace

Index thread_index() { return machine.running->index; }
Index block_index() { return machine.block; }
Index block_size() { return machine.launch.block; }
Index grid_size() { return machine.launch.grid; }
unsigned lane() { return machine.running->number % WARP; }

void sync_block(Site site) {
    Fiber& fiber = *machine.running;
    fiber.site = site;
    release(machine.barrier);
    wait(fiber, State::AT_BARRIER);
}

const Slot* gather(Site site, unsigned mask, bool ordered, const void* bytes, size_t size) {
    Fiber& fiber = *machine.running;
    Warp& warp = machine.warps[fiber.number / WARP];
    const unsigned lane = fiber.number % WARP;
    fiber.site = site;
    fiber.mask = mask;
    fiber.ordered = ordered;
    if (!(mask >> lane & 1)) fail(fiber, "the mask of this warp collective leaves out its own lane");
    if (size > 0) std::memcpy(warp.in[lane].bytes, bytes, size);
    if (ordered) release(warp.meeting);
    wait(fiber, State::IN_WARP);
    return warp.out;
}

const Slot* gather(Site site, unsigned mask, const void* bytes, size_t size) {
    return gather(site, mask, false, bytes, size);
}

void sync_warp(Site site, unsigned mask) { gather(site, mask, true, nullptr, 0); }

const void* from_lane(Site site, unsigned mask, const void* bytes, size_t size, unsigned source) {
    const Fiber& fiber = *machine.running;
    const Slot* slots = gather(site, mask, bytes, size);
    if (!(mask >> source & 1) || fiber.number / WARP * WARP + source >= machine.threads)
        fail(fiber, "reads a lane that is not in this warp collective");
    return slots[source].bytes;
}

void run(const Launch& launch) {
    machine.launch = launch;
    const Index grid = launch.grid, block = launch.block;
    machine.threads = block.x * block.y * block.z;
#ifdef CUDA_CPU_THREAD
    machine.scheduler.sanitizer = __tsan_get_current_fiber();
#endif
    while (machine.fibers.size() < machine.threads) machine.fibers.push_back(new_fiber(machine.fibers.size()));
    machine.warps.resize((machine.threads + WARP - 1) / WARP);
    for (unsigned i = 0; i < machine.threads; i++) {
        Fiber& fiber = *machine.fibers[i];
        fiber.index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    }
    const unsigned blocks = grid.x * grid.y * grid.z;
    for (unsigned i = 0; i < blocks; i++) {
        const unsigned number = at(i, blocks);
        run_block({number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y});
    }
}

}  // namespace cuda_cpu
