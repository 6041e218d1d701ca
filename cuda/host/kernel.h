// The kernels that a replay can run, by name. The build registers every one from a file that it generates.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace replay {

// How the values behind a pointer are compared.
enum class Element { BYTES, FLOAT, DOUBLE };

struct Parameter {
    size_t size;
    bool pointer;
    Element element;
};

using Bytes = std::vector<unsigned char>;

struct Kernel {
    std::vector<Parameter> parameters;
    void (*call)(const std::vector<Bytes>& arguments);  // in one thread
};

std::map<std::string, Kernel>& kernels();

template <class T>
Parameter parameter() {
    static_assert(std::is_pointer_v<T> || std::is_arithmetic_v<T>, "a replay knows parameters that are numbers or pointers");
    using Value = std::remove_cv_t<std::remove_pointer_t<T>>;
    const Element element = std::is_same_v<Value, float>    ? Element::FLOAT
                            : std::is_same_v<Value, double> ? Element::DOUBLE
                                                            : Element::BYTES;
    return {sizeof(T), std::is_pointer_v<T>, element};
}

template <class T>
T unpack(const Bytes& bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

template <auto KERNEL>
struct Entry;

template <class... Parameters, void (*KERNEL)(Parameters...)>
struct Entry<KERNEL> {
    static void call(const std::vector<Bytes>& arguments) { call(arguments, std::index_sequence_for<Parameters...>()); }

    static void add(const char* name) { kernels()[name] = {{parameter<Parameters>()...}, call}; }

private:
    template <size_t... INDEX>
    static void call(const std::vector<Bytes>& arguments, std::index_sequence<INDEX...>) {
        KERNEL(unpack<Parameters>(arguments[INDEX])...);
    }
};

}  // namespace replay
