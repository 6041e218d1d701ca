//! Whole kernels against results computed on the host.

mod common;

use common::{Argument, module, run, run_kernel, thread_kernel};
use cuda_emulator::program::module::{Limits, Module};

#[test]
fn saxpy_stays_within_bounds() {
    let ptx = module(
        ".visible .entry saxpy(.param .u32 n, .param .f32 a, .param .u64 x, .param .u64 y) {
        .reg .pred %p<2>; .reg .f32 %f<5>; .reg .b32 %r<6>; .reg .b64 %rd<8>;
        ld.param.u32 %r1, [n]; ld.param.f32 %f1, [a]; ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y];
        mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;
        mad.lo.s32 %r5, %r2, %r3, %r4;
        setp.ge.s32 %p1, %r5, %r1;
        @%p1 bra DONE;
        mul.wide.s32 %rd3, %r5, 4; add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;
        ld.global.nc.f32 %f2, [%rd4]; ld.global.f32 %f3, [%rd5];
        fma.rn.f32 %f4, %f1, %f2, %f3;
        st.global.f32 [%rd5], %f4;
        DONE: ret; }",
    );
    let mut x: Vec<f32> = (0..100).map(|i| i as f32).collect();
    let mut y: Vec<f32> = vec![1.0; 100];
    let arguments = vec![Argument::U32(100), Argument::F32(2.0), Argument::Floats(&mut x), Argument::Floats(&mut y)];
    run(&ptx, 4, 32, arguments).unwrap();
    assert!(y.iter().enumerate().all(|(i, y)| *y == 2.0 * i as f32 + 1.0));
}

#[test]
fn reduction_by_shuffle_and_barrier() {
    let ptx = thread_kernel(
        ".shared .align 4 .b8 part[16];",
        "add.s32 %r1, %t, 1;
        shfl.sync.down.b32 %r2|%p1, %r1, 16, 31, -1; add.s32 %r1, %r1, %r2;
        shfl.sync.down.b32 %r2|%p1, %r1, 8, 31, -1; add.s32 %r1, %r1, %r2;
        shfl.sync.bfly.b32 %r2, %r1, 4, 31, -1; add.s32 %r1, %r1, %r2;
        shfl.sync.bfly.b32 %r2, %r1, 2, 31, -1; add.s32 %r1, %r1, %r2;
        shfl.sync.down.b32 %r2, %r1, 1, 31, -1; add.s32 %r1, %r1, %r2;
        and.b32 %r3, %t, 31; shr.u32 %r4, %t, 5; shl.b32 %r4, %r4, 2;
        mov.u32 %r5, part; add.s32 %r6, %r5, %r4;
        setp.eq.s32 %p2, %r3, 0;
        @%p2 st.shared.u32 [%r6], %r1;
        bar.sync 0;
        ld.shared.v4.u32 {%r7, %r8, %r9, %r10}, [part];
        add.s32 %r7, %r7, %r8; add.s32 %r7, %r7, %r9; add.s32 %r7, %r7, %r10;
        st.global.u32 [%rd], %r7;",
    );
    let mut out = vec![0u32; 128];
    run(&ptx, 1, 128, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!(out, vec![128 * 129 / 2; 128]);
}

#[test]
fn shuffles_know_their_segments() {
    let ptx = thread_kernel(
        "",
        "shfl.sync.up.b32 %r1|%p1, %t, 1, 0x1800, -1;
        shfl.sync.idx.b32 %r2, %t, 3, 0x181f, -1;
        selp.u32 %r3, 100, 0, %p1; mad.lo.s32 %r1, %r2, 1000, %r1; add.s32 %r1, %r1, %r3;
        st.global.u32 [%rd], %r1;",
    );
    let mut out = vec![0u32; 32];
    run(&ptx, 1, 32, vec![Argument::Words(&mut out)]).unwrap();
    let expected = (0..32).map(|lane: u32| {
        let up = if lane.is_multiple_of(8) { lane } else { 100 + lane - 1 };
        (lane / 8 * 8 + 3) * 1000 + up
    });
    assert_eq!(out, expected.collect::<Vec<_>>());
}

#[test]
fn lanes_diverge_in_branches_and_loops_and_meet_again() {
    // Collatz steps of t + 1, then a vote that needs everybody back.
    let ptx = thread_kernel(
        "",
        "add.s32 %r1, %t, 1; mov.u32 %r2, 0;
        LOOP: setp.eq.s32 %p1, %r1, 1; @%p1 bra DONE;
        and.b32 %r3, %r1, 1; setp.eq.s32 %p2, %r3, 1; @%p2 bra ODD;
        shr.u32 %r1, %r1, 1; bra.uni NEXT;
        ODD: mad.lo.s32 %r1, %r1, 3, 1;
        NEXT: add.s32 %r2, %r2, 1; bra LOOP;
        DONE: setp.gt.u32 %p3, %r2, 100;
        vote.sync.ballot.b32 %r4, %p3, -1; popc.b32 %r4, %r4; mad.lo.s32 %r2, %r4, 1000, %r2;
        st.global.u32 [%rd], %r2;",
    );
    let mut out = vec![0u32; 32];
    run(&ptx, 1, 32, vec![Argument::Words(&mut out)]).unwrap();
    let steps = |start: u32| {
        (0..)
            .scan(start, |n, _| {
                let now = *n;
                *n = if now % 2 == 1 { 3 * now + 1 } else { now / 2 };
                Some(now)
            })
            .position(|n| n == 1)
            .unwrap() as u32
    };
    let long = (1..=32).filter(|n| steps(*n) > 100).count() as u32;
    assert_eq!(out, (1..=32).map(|n| steps(n) + 1000 * long).collect::<Vec<_>>());
}

#[test]
fn vectors_of_four_and_narrow_elements() {
    let ptx = thread_kernel(
        "",
        "mul.wide.u32 %rd1, %t, 16; add.s64 %rd2, %base, %rd1;
        ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd2];
        st.global.v4.u32 [%rd2], {%r4, %r3, %r2, %r1};
        ld.global.s8 %r5, [%rd2]; ld.global.u16 %r6, [%rd2+2];
        add.s32 %r5, %r5, %r6; st.global.u32 [%rd2+4], %r5; st.global.u8 [%rd2+8], %r5;",
    );
    let mut out = vec![1, 2, 3, 0x0005_00ff];
    run(&ptx, 1, 1, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!(out, [0x0005_00ff, 4, 4, 1]);
}

#[test]
fn tf32_matrix_products() {
    let ptx = module(
        ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pd) {
        .reg .b32 %r<40>; .reg .b64 %rd<20>; .reg .f32 %f<8>;
        ld.param.u64 %rd1, [pa]; ld.param.u64 %rd2, [pb]; ld.param.u64 %rd3, [pd];
        mov.u32 %r1, %tid.x; shr.u32 %r2, %r1, 2; and.b32 %r3, %r1, 3;
        mad.lo.s32 %r4, %r2, 8, %r3; mul.wide.u32 %rd4, %r4, 4; add.s64 %rd5, %rd1, %rd4;
        ld.global.b32 %r10, [%rd5]; ld.global.b32 %r11, [%rd5+256];
        ld.global.b32 %r12, [%rd5+16]; ld.global.b32 %r13, [%rd5+272];
        mad.lo.s32 %r5, %r3, 8, %r2; mul.wide.u32 %rd6, %r5, 4; add.s64 %rd7, %rd2, %rd6;
        ld.global.b32 %r14, [%rd7]; ld.global.b32 %r15, [%rd7+128];
        mov.f32 %f1, 0f3F800000;
        mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f2,%f3,%f4,%f5}, {%r10,%r11,%r12,%r13}, {%r14,%r15}, {%f1,%f1,%f1,%f1};
        mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%f2,%f3,%f4,%f5}, {%r10,%r11}, {%r14}, {%f2,%f3,%f4,%f5};
        shl.b32 %r6, %r3, 1; mad.lo.s32 %r7, %r2, 8, %r6; mul.wide.u32 %rd8, %r7, 4; add.s64 %rd9, %rd3, %rd8;
        st.global.v2.f32 [%rd9], {%f2,%f3}; st.global.v2.f32 [%rd9+256], {%f4,%f5};
        ret; }",
    );
    let mut a: Vec<f32> = (0..128).map(|i| ((i * 37 % 64) as f32 - 32.0) / 16.0).collect();
    let mut b: Vec<f32> = (0..64).map(|i| ((i * 23 % 32) as f32 - 16.0) / 8.0).collect();
    let mut d = vec![0f32; 128];
    run(&ptx, 1, 32, vec![Argument::Floats(&mut a), Argument::Floats(&mut b), Argument::Floats(&mut d)]).unwrap();
    for (index, d) in d.iter().enumerate() {
        let (row, column) = (index / 8, index % 8);
        let term = |k: usize| a[row * 8 + k] * b[k * 8 + column];
        let expected = 1.0 + (0..8).map(term).sum::<f32>() + (0..4).map(term).sum::<f32>();
        assert_eq!(*d, expected, "row {row} column {column}");
    }
}

#[test]
fn atomics_on_global_and_shared_memory() {
    let ptx = thread_kernel(
        ".shared .align 4 .b8 sum[4];",
        "setp.ne.s32 %p1, %t, 0; @!%p1 st.shared.u32 [sum], 0;
        bar.sync 0;
        atom.shared.add.u32 %r1, [sum], %t;
        bar.sync 0;
        ld.shared.u32 %r2, [sum];
        red.global.add.u32 [%base], 1;
        red.global.max.s32 [%base+4], %t;
        atom.global.min.s32 %r3, [%base+8], %t;
        mov.f32 %f1, 0f3F000000; red.global.add.f32 [%base+12], %f1;
        atom.global.cas.b32 %r4, [%base+16], 0, %r2;
        atom.global.inc.u32 %r5, [%base+20], 4;
        red.global.xor.b32 [%base+24], %t;
        atom.global.exch.b32 %r6, [%base+28], 7;",
    );
    let mut out = vec![0u32, 0, 5, 0, 0, 0, 0, 0];
    run(&ptx, 3, 64, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!(out, [192, 63, 0, 96f32.to_bits(), 2016, 192 % 5, 0, 7]);
}

#[test]
fn votes_and_matches() {
    let ptx = thread_kernel(
        "",
        "setp.lt.u32 %p1, %t, 8;
        vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, !%p1, -1; vote.sync.ballot.b32 %r1, %p1, -1;
        and.b32 %r2, %t, 3; match.any.sync.b32 %r3, %r2, -1; match.all.sync.b32 %r4|%p4, %r2, -1;
        activemask.b32 %r5;
        selp.u32 %r6, 1, 0, %p2; selp.u32 %r7, 2, 0, %p3; selp.u32 %r8, 4, 0, %p4;
        add.s32 %r6, %r6, %r7; add.s32 %r6, %r6, %r8; add.s32 %r6, %r6, %r4;
        setp.eq.s32 %p5, %t, 2; @!%p5 bra END;
        st.global.u32 [%base], %r1; st.global.u32 [%base+4], %r3; st.global.u32 [%base+8], %r6;
        st.global.u32 [%base+12], %r5;
        END:",
    );
    let mut out = vec![0u32; 4];
    run(&ptx, 1, 32, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!(out, [0xff, 0x4444_4444, 1, u32::MAX]);
}

#[test]
fn functions_tables_local_memory_and_generic_addresses() {
    let ptx = module(
        ".const .align 4 .b8 tab[8] = {10, 0, 0, 0, 20, 0, 0, 0};
        .global .align 4 .u32 more[2] = {3, 4};
        .func (.param .b32 result) twice(.param .b32 x) {
            .reg .b32 %r<3>; .reg .pred %p;
            ld.param.u32 %r1, [x];
            setp.gt.u32 %p, %r1, 1000; @%p bra BIG;
            add.s32 %r2, %r1, %r1; st.param.b32 [result+0], %r2; ret;
            BIG: st.param.b32 [result+0], 0; ret; }
        .visible .entry k(.param .u64 out) {
            .local .align 16 .b8 stack[16];
            .reg .b32 %r<10>; .reg .b64 %rd<12>;
            ld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x;
            and.b32 %r2, %r1, 1; mul.wide.u32 %rd2, %r2, 4; mov.u64 %rd3, tab; add.s64 %rd3, %rd3, %rd2;
            ld.const.u32 %r3, [%rd3];
            mov.u64 %rd4, more; add.s64 %rd4, %rd4, %rd2; ld.global.u32 %r4, [%rd4];
            mov.u64 %rd5, stack; cvta.local.u64 %rd6, %rd5; st.u32 [%rd6+4], %r4; ld.local.u32 %r5, [%rd5+4];
            add.s32 %r6, %r3, %r5;
            { .reg .b32 temp; .param .b32 p0; st.param.b32 [p0+0], %r6; .param .b32 r0;
            call.uni (r0), twice, (p0); ld.param.b32 %r7, [r0+0]; }
            mul.wide.u32 %rd7, %r1, 4; add.s64 %rd8, %rd1, %rd7; st.u32 [%rd8], %r7; ret; }",
    );
    let mut out = vec![0u32; 4];
    run(&ptx, 1, 4, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!(out, [26, 48, 26, 48]);
}

#[test]
fn asynchronous_copies_and_dynamic_shared_memory() {
    let ptx = thread_kernel(
        "",
        "mov.u32 %r1, dyn; mul.wide.u32 %rd1, %t, 16; cvt.u32.u64 %r2, %rd1; add.s32 %r1, %r1, %r2;
        add.s64 %rd2, %base, %rd1;
        cp.async.cg.shared.global [%r1], [%rd2], 16; cp.async.commit_group; cp.async.wait_group 0;
        bar.sync 0;
        shl.b32 %r3, %t, 2; mov.u32 %r4, dyn; add.s32 %r4, %r4, %r3;
        ld.shared.u32 %r5, [%r4]; add.s32 %r5, %r5, 1; st.global.u32 [%rd], %r5;",
    );
    let ptx = ptx.replace(".visible", ".extern .shared .align 16 .b8 dyn[];\n.visible");
    let mut out: Vec<u32> = (0..256).collect();
    let module = Module::load(&ptx, Limits::default()).unwrap();
    run_kernel(&module, "k", [1, 1, 1], [64, 1, 1], 1024, vec![Argument::Words(&mut out)], 1).unwrap();
    assert!(out[..64].iter().enumerate().all(|(i, value)| *value == i as u32 + 1));
}

/// `tests/data/math.cu` compiled by NVRTC 11.8 with `-arch=compute_70`.
#[test]
fn code_from_nvrtc() {
    let module = Module::load(include_str!("data/math.ptx"), Limits { driver: 11080, capability: 70 }).unwrap();
    let mut x: Vec<f32> = (0..1000).map(|i| (i as f32 - 500.0) / 60.0).collect();
    let (mut floats, mut doubles) = (vec![0f32; 2000], vec![0f64; 2000]);
    let arguments = vec![
        Argument::U32(1000),
        Argument::Floats(&mut x),
        Argument::Floats(&mut floats),
        Argument::Doubles(&mut doubles),
    ];
    run_kernel(&module, "functions", [8, 1, 1], [128, 1, 1], 0, arguments, 2).unwrap();
    for (index, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
        let close = |got: f64, expected: f64, tolerance: f64| {
            assert!((got - expected).abs() <= tolerance * expected.abs(), "{x}: {got} is not {expected}");
        };
        close(floats[2 * index].into(), x.exp(), 4e-7);
        close(floats[2 * index + 1].into(), (x * x + 0.5).ln(), 4e-7 / (x * x + 0.5).ln().abs());
        close(doubles[2 * index], x.exp(), 1e-15);
        close(doubles[2 * index + 1], x.abs().exp().ln_1p(), 1e-15);
    }
    let mut results = Vec::new();
    for workers in [1, 2, 5] {
        let mut y: Vec<f32> = x.iter().map(|x| x * x).collect();
        let mut sums = vec![0f32; 6];
        let arguments =
            vec![Argument::U32(250), Argument::Floats(&mut x), Argument::Floats(&mut y), Argument::Floats(&mut sums)];
        run_kernel(&module, "dots", [6, 1, 1], [64, 1, 1], 0, arguments, workers).unwrap();
        results.push(sums);
    }
    assert!(results.iter().all(|sums| *sums == results[0]), "the result depends on the number of workers");
    let exact: f64 = x.iter().map(|x| f64::from(*x).powi(3)).sum();
    let sum: f64 = results[0].iter().map(|sum| f64::from(*sum)).sum();
    assert!((sum - exact).abs() < 0.1, "{sum} is not {exact}");
}
