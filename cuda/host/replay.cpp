// Runs recorded launches of kernels on the host and compares what they leave in memory with what was recorded.
//
//     replay [--tolerance X] [--reverse] FILE.launch...
//
// Every allocation is given as many bytes as it was recorded with, so that a sanitizer sees an access past its end.
// Floats may differ by the tolerance times the largest magnitude behind the same pointer, all other bytes not at all.
// Status 1 and the first difference on stderr where something differs.
#include "kernel.h"
#include "scheduler.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace replay {

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

namespace {

struct Allocation {
    uint64_t address;
    Bytes before, after;
    unsigned char* host = nullptr;

    bool holds(uint64_t pointer) const { return pointer >= address && pointer - address < before.size(); }
};

struct Recording {
    std::string name;
    cuda_cpu::Index grid, block;
    std::vector<Bytes> parameters;
    std::vector<Allocation> allocations;
};

// Numbers of a recording are little-endian, as those of the machines that this is for.
class Reader {
public:
    explicit Reader(const std::string& path) : stream(path, std::ios::binary) {
        if (!stream) throw std::runtime_error("cannot be opened");
    }
    template <class T>
    T number() {
        T value;
        take(&value, sizeof value);
        return value;
    }
    Bytes bytes(uint64_t count) {
        if (count > LARGEST) throw std::runtime_error("is damaged: so many bytes are not in it");
        Bytes bytes(count);
        take(bytes.data(), count);
        return bytes;
    }
    std::string line() {
        std::string text;
        if (!std::getline(stream, text)) throw std::runtime_error("ends early");
        return text;
    }
    bool at_end() { return stream.peek() == EOF; }

private:
    static constexpr uint64_t LARGEST = 1ull << 32;
    void take(void* to, uint64_t count) {
        if (!stream.read(static_cast<char*>(to), count)) throw std::runtime_error("ends early");
    }
    std::ifstream stream;
};

cuda_cpu::Index index(Reader& reader) {
    const auto x = reader.number<uint32_t>(), y = reader.number<uint32_t>(), z = reader.number<uint32_t>();
    return {x, y, z};
}

Recording read(const std::string& path) {
    Reader reader(path);
    if (reader.line() != "PTXLAUNCH1") throw std::runtime_error("is not a recorded launch");
    Recording recording;
    recording.name = reader.line();
    recording.grid = index(reader);
    recording.block = index(reader);
    if (reader.number<uint32_t>() != 0) throw std::runtime_error("has dynamic shared memory, which this does not know");
    for (auto count = reader.number<uint32_t>(); count > 0; count--)
        recording.parameters.push_back(reader.bytes(reader.number<uint32_t>()));
    for (auto count = reader.number<uint32_t>(); count > 0; count--) {
        Allocation allocation;
        allocation.address = reader.number<uint64_t>();
        const auto length = reader.number<uint64_t>();
        allocation.before = reader.bytes(length);
        allocation.after = reader.bytes(length);
        recording.allocations.push_back(std::move(allocation));
    }
    if (!reader.at_end()) throw std::runtime_error("goes on past its end");
    return recording;
}

// Part of an allocation, from where a parameter points to on.
struct Region {
    size_t start;
    Element element;
    size_t parameter;
};

// The allocation that a pointer points into, or else the one that ends there.
size_t find(const std::vector<Allocation>& allocations, uint64_t pointer) {
    for (size_t i = 0; i < allocations.size(); i++)
        if (allocations[i].holds(pointer)) return i;
    for (size_t i = 0; i < allocations.size(); i++)
        if (pointer == allocations[i].address + allocations[i].before.size()) return i;
    throw std::runtime_error("has a pointer to no recorded allocation");
}

// Puts host addresses in the place of recorded ones. Returns the regions of every allocation.
std::vector<std::vector<Region>> translate(Recording& recording, const Kernel& kernel) {
    if (recording.parameters.size() != kernel.parameters.size())
        throw std::runtime_error("has " + std::to_string(recording.parameters.size()) + " parameters, the kernel takes " +
                                 std::to_string(kernel.parameters.size()));
    std::vector<std::vector<Region>> regions(recording.allocations.size(), {{0, Element::BYTES, SIZE_MAX}});
    for (size_t i = 0; i < recording.parameters.size(); i++) {
        Bytes& bytes = recording.parameters[i];
        const Parameter& parameter = kernel.parameters[i];
        if (bytes.size() != parameter.size)
            throw std::runtime_error("has " + std::to_string(bytes.size()) + " bytes for parameter " + std::to_string(i) +
                                     ", the kernel takes " + std::to_string(parameter.size));
        if (!parameter.pointer) continue;
        const auto pointer = unpack<uint64_t>(bytes);
        if (pointer == 0) continue;
        const size_t which = find(recording.allocations, pointer);
        const size_t offset = pointer - recording.allocations[which].address;
        unsigned char* host = recording.allocations[which].host + offset;
        std::memcpy(bytes.data(), &host, sizeof host);
        regions[which].push_back({offset, parameter.element, i});
    }
    for (auto& list : regions)
        std::stable_sort(list.begin(), list.end(), [](const Region& a, const Region& b) { return a.start < b.start; });
    return regions;
}

// The largest difference of `count` values, as a part of the largest magnitude; where it is, in `worst`.
template <class T>
double difference(const unsigned char* recorded, const unsigned char* got, size_t count, size_t& worst) {
    const auto value = [](const unsigned char* bytes, size_t i) {
        T v;
        std::memcpy(&v, bytes + i * sizeof v, sizeof v);
        return v;
    };
    double largest = 0.0, most = 0.0;
    for (size_t i = 0; i < count; i++)
        if (std::isfinite(value(recorded, i))) largest = std::max(largest, (double)std::fabs(value(recorded, i)));
    for (size_t i = 0; i < count; i++) {
        const double a = value(recorded, i), b = value(got, i);
        if (a == b || (std::isnan(a) && std::isnan(b))) continue;
        const double apart = std::isfinite(a) && std::isfinite(b) && largest > 0.0 ? std::fabs(a - b) / largest : INFINITY;
        if (apart > most) {
            most = apart;
            worst = i;
        }
    }
    return most;
}

double difference(Element element, const unsigned char* recorded, const unsigned char* got, size_t length, size_t& worst) {
    const size_t size = element == Element::FLOAT ? 4 : element == Element::DOUBLE ? 8 : 1, count = length / size;
    double most = 0.0;
    if (element == Element::FLOAT) most = difference<float>(recorded, got, count, worst);
    if (element == Element::DOUBLE) most = difference<double>(recorded, got, count, worst);
    for (size_t i = size == 1 ? 0 : count * size; i < length; i++)
        if (recorded[i] != got[i]) {
            worst = i / size;
            return INFINITY;
        }
    return most;
}

// The largest relative difference to what was recorded, which throws where it is over the tolerance.
double compare(const Recording& recording, const std::vector<std::vector<Region>>& regions, double tolerance) {
    double most = 0.0;
    for (size_t a = 0; a < recording.allocations.size(); a++) {
        const Allocation& allocation = recording.allocations[a];
        if (allocation.after.empty() || std::memcmp(allocation.host, allocation.after.data(), allocation.after.size()) == 0)
            continue;
        for (size_t r = 0; r < regions[a].size(); r++) {
            const Region& region = regions[a][r];
            const size_t end = r + 1 < regions[a].size() ? regions[a][r + 1].start : allocation.after.size();
            size_t worst = 0;
            const double apart = difference(region.element, allocation.after.data() + region.start,
                                            allocation.host + region.start, end - region.start, worst);
            if (!(apart <= tolerance)) {
                const std::string place = region.parameter == SIZE_MAX
                                              ? "an allocation before what any parameter points to"
                                              : "what parameter " + std::to_string(region.parameter) + " points to";
                char text[32];
                std::snprintf(text, sizeof text, "%.3g", apart);
                throw std::runtime_error("mismatch: element " + std::to_string(worst) + " of " + place + " differs by " +
                                         text + " of the largest magnitude");
            }
            most = std::max(most, apart);
        }
    }
    return most;
}

struct Job {
    const Kernel* kernel;
    const std::vector<Bytes>* arguments;
};

void run_thread(void* data) {
    const Job& job = *static_cast<Job*>(data);
    job.kernel->call(*job.arguments);
}

double replay(Recording& recording, double tolerance, bool reverse) {
    const auto kernel = kernels().find(recording.name);
    if (kernel == kernels().end()) throw std::runtime_error("is of a kernel that no source has: " + recording.name);
    for (Allocation& allocation : recording.allocations) {
        void* memory = nullptr;
        if (posix_memalign(&memory, 256, allocation.before.size()) != 0) throw std::runtime_error("has no place in memory");
        allocation.host = static_cast<unsigned char*>(memory);
        std::copy(allocation.before.begin(), allocation.before.end(), allocation.host);
    }
    const auto regions = translate(recording, kernel->second);
    Job job{&kernel->second, &recording.parameters};
    cuda_cpu::run({recording.name.c_str(), recording.grid, recording.block, reverse, run_thread, &job});
    const double most = compare(recording, regions, tolerance);
    for (Allocation& allocation : recording.allocations) std::free(allocation.host);
    return most;
}

struct Summary {
    unsigned launches = 0;
    double most = 0.0;
};

int run(const std::vector<std::string>& arguments) {
    double tolerance = 2e-5;
    bool reverse = false;
    std::map<std::string, Summary> summaries;
    for (size_t i = 0; i < arguments.size(); i++) {
        if (arguments[i] == "--reverse") {
            reverse = true;
            continue;
        }
        if (arguments[i] == "--tolerance" && i + 1 < arguments.size()) {
            tolerance = std::strtod(arguments[++i].c_str(), nullptr);
            continue;
        }
        try {
            Recording recording = read(arguments[i]);
            std::fprintf(stderr, "replay: %s\n", arguments[i].c_str());  // for whom a sanitizer ends the program
            Summary& summary = summaries[recording.name];
            summary.most = std::max(summary.most, replay(recording, tolerance, reverse));
            summary.launches++;
        } catch (const std::exception& error) {
            std::fprintf(stderr, "replay: %s: %s\n", arguments[i].c_str(), error.what());
            return 1;
        }
    }
    for (const auto& [name, summary] : summaries)
        std::printf("%s: %u launches, largest difference %.2g\n", name.c_str(), summary.launches, summary.most);
    return 0;
}

}  // namespace
}  // namespace replay

int main(int count, char** arguments) { return replay::run({arguments + 1, arguments + count}); }
