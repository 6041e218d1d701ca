//! Runs kernels on the machine directly, without the driver.
#![allow(dead_code)]

use cuda_emulator::machine::fault::Fault;
use cuda_emulator::machine::launch::Launch;
use cuda_emulator::machine::memory::GlobalMemory;
use cuda_emulator::program::module::{Limits, Module};

/// An argument of a kernel: a buffer it may touch, or a number.
pub enum Argument<'a> {
    Words(&'a mut [u32]),
    Longs(&'a mut [u64]),
    Floats(&'a mut [f32]),
    Doubles(&'a mut [f64]),
    U32(u32),
    F32(f32),
}

/// Puts the directives in front of a module.
pub fn module(body: &str) -> String {
    format!(".version 7.8\n.target sm_80\n.address_size 64\n{body}")
}

/// Runs the only kernel of `ptx`.
pub fn run(ptx: &str, grid: u32, block: u32, arguments: Vec<Argument>) -> Result<u64, Fault> {
    let module = Module::load(ptx, Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let name = module.kernels[0].name.clone();
    run_kernel(&module, &name, [grid, 1, 1], [block, 1, 1], 0, arguments, 2)
}

/// Runs one kernel of a module.
pub fn run_kernel(
    module: &Module,
    name: &str,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: usize,
    arguments: Vec<Argument>,
    workers: usize,
) -> Result<u64, Fault> {
    let kernel = module.kernel(name).unwrap_or_else(|| panic!("no kernel {name}"));
    let mut ranges = module.ranges.clone();
    let mut parameters = vec![0; kernel.parameter_bytes];
    assert_eq!(kernel.parameters.len(), arguments.len(), "arguments of {name}");
    for ((offset, bytes), argument) in kernel.parameters.iter().zip(arguments) {
        let mut buffer = |start: usize, bytes: usize| {
            ranges.push(start as u64..(start + bytes) as u64);
            start.to_le_bytes().to_vec()
        };
        let value = match argument {
            Argument::Words(slice) => buffer(slice.as_mut_ptr() as usize, 4 * slice.len()),
            Argument::Longs(slice) => buffer(slice.as_mut_ptr() as usize, 8 * slice.len()),
            Argument::Floats(slice) => buffer(slice.as_mut_ptr() as usize, 4 * slice.len()),
            Argument::Doubles(slice) => buffer(slice.as_mut_ptr() as usize, 8 * slice.len()),
            Argument::U32(value) => value.to_le_bytes().to_vec(),
            Argument::F32(value) => value.to_le_bytes().to_vec(),
        };
        assert_eq!(value.len(), *bytes, "size of an argument of {name}");
        parameters[*offset..offset + bytes].copy_from_slice(&value);
    }
    // SAFETY: the slices are borrowed for the whole call, and the module lives on.
    let memory = unsafe { GlobalMemory::new(ranges) };
    Launch { kernel, grid, block, dynamic_shared, parameters: &parameters, memory: &memory }.run(workers)
}

/// A kernel whose threads each compute `body` with `%tid` in `%t`, the address of its own word in `%rd`, and that of
/// the buffer in `%base`.
pub fn thread_kernel(declarations: &str, body: &str) -> String {
    module(&format!(
        ".visible .entry k(.param .u64 out) {{
        .reg .pred %p<8>; .reg .b32 %r<32>; .reg .b32 %t; .reg .f32 %f<32>; .reg .b64 %rd<16>; .reg .b64 %rd, %base;
        .reg .b64 %lo;
        {declarations}
        ld.param.u64 %base, [out];
        cvta.to.global.u64 %base, %base;
        mov.u32 %t, %tid.x;
        mul.wide.u32 %lo, %t, 4;
        add.s64 %rd, %base, %lo;
        {body}
        ret;
        }}"
    ))
}

/// Evaluates instructions on one thread: operands are the registers `%a %b %c` (32 bits) and `%la %lb %lc` (64 bits),
/// results `%r` and `%lr`; `%p %q` are predicates. Returns both results.
pub fn evaluate(code: &str, operands: [u64; 3]) -> (u32, u64) {
    let ptx = module(&format!(
        ".visible .entry k(.param .u64 data) {{
        .reg .pred %p, %q; .reg .b32 %a, %b, %c, %r, %s; .reg .b64 %la, %lb, %lc, %lr, %d; .reg .b16 %h<4>;
        ld.param.u64 %d, [data];
        ld.global.u64 %la, [%d]; ld.global.u64 %lb, [%d+8]; ld.global.u64 %lc, [%d+16];
        cvt.u32.u64 %a, %la; cvt.u32.u64 %b, %lb; cvt.u32.u64 %c, %lc;
        mov.u32 %r, 0; mov.u64 %lr, 0;
        {code}
        st.global.u32 [%d+24], %r; st.global.u64 [%d+32], %lr;
        ret;
        }}"
    ));
    let mut data = [operands[0], operands[1], operands[2], 0, 0];
    run(&ptx, 1, 1, vec![Argument::Longs(&mut data)]).unwrap_or_else(|fault| panic!("{code}: {fault}"));
    (data[3] as u32, data[4])
}

/// Like [`evaluate`], for a 32-bit result of 32-bit operands.
pub fn word(code: &str, operands: [u32; 3]) -> u32 {
    evaluate(code, operands.map(u64::from)).0
}

/// Like [`evaluate`], for an `f32` result of `f32` operands.
pub fn float(code: &str, operands: [f32; 3]) -> f32 {
    f32::from_bits(word(code, operands.map(f32::to_bits)))
}

/// Like [`evaluate`], for a 64-bit result.
pub fn long(code: &str, operands: [u64; 3]) -> u64 {
    evaluate(code, operands).1
}
