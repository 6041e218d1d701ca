//! Every fault that the machine reports, each from a kernel that has just that one.

mod common;

use common::{Argument, run, thread_kernel};
use cuda_emulator::machine::fault::{Fault, FaultKind};
use cuda_emulator::program::Space;

fn fault(declarations: &str, body: &str, threads: u32) -> Fault {
    let mut out = vec![0u32; 64];
    let ptx = thread_kernel(declarations, body);
    run(&ptx, 1, threads, vec![Argument::Words(&mut out)]).expect_err("the kernel should fail")
}

/// The line of `body` in which `text` stands, as counted in the whole text.
fn line(declarations: &str, body: &str, text: &str) -> u32 {
    let ptx = thread_kernel(declarations, body);
    1 + ptx.lines().position(|line| line.contains(text)).unwrap() as u32
}

#[test]
fn an_address_one_element_too_far() {
    let body = "bar.sync 0;\nst.global.u32 [%rd], %t;";
    let found = fault("", body, 96);
    assert!(matches!(found.kind, FaultKind::Address { space: Space::Global, bytes: 4, .. }), "{found}");
    assert_eq!((found.thread, found.block, found.kind.code()), ([64, 0, 0], [0, 0, 0], 700));
    assert_eq!(found.line, line("", body, "st.global.u32"));
    assert!(found.to_string().starts_with("kernel k, PTX line "), "{found}");
}

#[test]
fn addresses_outside_the_windows() {
    let shared = ".shared .align 4 .b8 s[16];";
    let found = fault(shared, "st.shared.u32 [s+16], %t;", 1);
    assert!(matches!(found.kind, FaultKind::Address { space: Space::Shared, address: 16, .. }), "{found}");
    let local = ".local .align 16 .b8 l[16];";
    let found = fault(local, "mov.u64 %rd1, l; ld.local.u32 %r1, [%rd1+-4];", 1);
    assert!(matches!(found.kind, FaultKind::Address { space: Space::Local, .. }), "{found}");
    let found = fault("", "ld.param.u64 %rd1, [out+8];", 1);
    assert!(matches!(found.kind, FaultKind::Address { space: Space::Parameter, address: 8, .. }), "{found}");
    let found = fault("", "mov.u64 %rd1, 0; ld.u32 %r1, [%rd1];", 1);
    assert!(matches!(found.kind, FaultKind::Address { space: Space::Global, address: 0, .. }), "{found}");
}

#[test]
fn a_misaligned_address() {
    let found = fault("", "ld.global.v2.u32 {%r1, %r2}, [%rd];", 2);
    assert!(matches!(found.kind, FaultKind::Misaligned { bytes: 8, .. }), "{found}");
    assert_eq!((found.thread, found.kind.code()), ([1, 0, 0], 716));
}

#[test]
fn a_barrier_after_an_exit() {
    let found = fault("", "setp.eq.s32 %p1, %t, 40; @%p1 ret; bar.sync 0;", 64);
    let FaultKind::DivergentBarrier { waiting: 63, others } = &found.kind else { panic!("{found}") };
    assert_eq!(others, "1 have exited");
}

#[test]
fn two_different_barriers() {
    let body = "setp.lt.u32 %p1, %t, 32; @%p1 bra LOW;\nbar.sync 0;\nbra.uni END;\nLOW: bar.sync 0;\nEND:";
    let found = fault("", body, 96);
    let FaultKind::DivergentBarrier { waiting: 32, others } = &found.kind else { panic!("{found}") };
    assert!(others.starts_with("64 at PTX line"), "{others}");
    assert_eq!(found.line, line("", body, "LOW: bar.sync"));
}

#[test]
fn named_barriers_with_counts_are_fine() {
    let mut out = vec![0u32; 64];
    let body = "setp.lt.u32 %p1, %t, 32; @%p1 bra END; bar.sync 1, 32; st.global.u32 [%rd], %t; END:";
    run(&thread_kernel("", body), 1, 64, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!(out[63], 63);
}

#[test]
fn a_read_of_uninitialized_shared_memory() {
    let shared = ".shared .align 4 .b8 s[512];";
    let body = "shl.b32 %r1, %t, 2; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;
        setp.eq.s32 %p1, %t, 5; @!%p1 st.shared.u32 [%r1], %t; bar.sync 0; ld.shared.u32 %r3, [%r1];";
    let found = fault(shared, body, 64);
    assert!(matches!(found.kind, FaultKind::Uninitialized { offset: 20, bytes: 4 }), "{found}");
    assert_eq!(found.thread, [5, 0, 0]);
}

const NEIGHBOUR: &str = "shl.b32 %r1, %t, 2; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;
    st.shared.u32 [%r1], %t;
    BARRIER
    xor.b32 %r3, %t, MASK; shl.b32 %r3, %r3, 2; add.s32 %r3, %r3, %r2; ld.shared.u32 %r4, [%r3];
    st.global.u32 [%rd], %r4;";
const SHARED: &str = ".shared .align 4 .b8 s[256];";

#[test]
fn a_race_from_a_missing_barrier() {
    let body = NEIGHBOUR.replace("MASK", "32");
    // Warp 0 reads first what warp 1 has not written yet, and so finds it uninitialised; written twice, it is a race.
    let twice = body.replace("BARRIER", "bar.sync 0; st.shared.u32 [%r1], %t;");
    let found = fault(SHARED, &twice, 64);
    assert!(
        matches!(found.kind, FaultKind::Race { writes: true, other_wrote: false, other_warp: Some(0), .. }),
        "{found}"
    );
    assert_eq!((found.thread, found.kind.code()), ([32, 0, 0], 719));
    let found = fault(SHARED, &body.replace("BARRIER", ""), 64);
    assert!(matches!(found.kind, FaultKind::Uninitialized { .. }), "{found}");
}

#[test]
fn no_race_with_a_barrier_or_within_a_warp() {
    let mut out = vec![0u32; 64];
    for (barrier, mask) in [("bar.sync 0;", "32"), ("", "1")] {
        let body = NEIGHBOUR.replace("MASK", mask).replace("BARRIER", barrier);
        run(&thread_kernel(SHARED, &body), 1, 64, vec![Argument::Words(&mut out)]).unwrap();
        assert_eq!(out[0].to_string(), mask);
    }
}

#[test]
fn races_between_writes_and_with_atomics() {
    let found = fault(SHARED, "st.shared.u32 [s], %t;", 64);
    assert!(matches!(found.kind, FaultKind::Race { writes: true, other_wrote: true, .. }), "{found}");
    let body = "setp.eq.s32 %p1, %t, 0; @%p1 st.shared.u32 [s], %t; atom.shared.add.u32 %r1, [s], 1;";
    let found = fault(SHARED, body, 64);
    assert!(matches!(found.kind, FaultKind::Race { other_warp: Some(0), .. }), "{found}");
    let body = "setp.eq.s32 %p1, %t, 0; @%p1 st.shared.u32 [s], %t; bar.sync 0;
        atom.shared.add.u32 %r1, [s], 1; ld.shared.u32 %r1, [s];";
    let found = fault(SHARED, body, 96);
    assert!(matches!(found.kind, FaultKind::Race { .. }), "{found}");
}

#[test]
fn missing_lanes_in_exchanges() {
    let found = fault("", "setp.lt.u32 %p1, %t, 8; @%p1 bra END; shfl.sync.idx.b32 %r1, %t, 0, 31, -1; END:", 32);
    assert!(matches!(found.kind, FaultKind::InactiveSource { source: 0 }), "{found}");
    let body = "setp.lt.u32 %p1, %t, 8; @%p1 bra LOW; vote.sync.any.pred %p2, %p1, -1; bra END; LOW: bar.sync 0; END:";
    let found = fault("", body, 32);
    assert!(matches!(found.kind, FaultKind::MissingLanes { members: u32::MAX, missing: 0xff }), "{found}");
    let found = fault("", "setp.lt.u32 %p1, %t, 8; @%p1 vote.sync.any.pred %p2, %p1, -1;", 32);
    assert!(matches!(found.kind, FaultKind::MissingLanes { missing: 0xffff_ff00, .. }), "{found}");
    let found = fault("", "vote.sync.any.pred %p2, %p1, 0xff;", 32);
    assert!(matches!(found.kind, FaultKind::MissingLanes { missing: 0x100, .. }), "{found}");
    let mma =
        "mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%f1,%f1,%f1,%f1}, {%r1,%r1}, {%r1}, {%f1,%f1,%f1,%f1};";
    let found = fault("", mma, 16);
    assert!(matches!(found.kind, FaultKind::MissingLanes { missing: 0xffff_0000, .. }), "{found}");
}

#[test]
fn exchanges_of_parts_of_a_warp_are_fine() {
    let mut out = vec![0u32; 64];
    let body = "setp.lt.u32 %p1, %t, 8; @%p1 bra LOW; shfl.sync.bfly.b32 %r1, %t, 1, 31, 0xffffff00; bra END;
        LOW: shfl.sync.bfly.b32 %r1, %t, 2, 31, 0xff; END: bar.warp.sync -1; st.global.u32 [%rd], %r1;";
    run(&thread_kernel("", body), 1, 32, vec![Argument::Words(&mut out)]).unwrap();
    assert_eq!((out[4], out[8]), (6, 9));
}

#[test]
fn a_trap() {
    let found = fault("", "setp.eq.s32 %p1, %t, 3; @%p1 trap;", 32);
    assert_eq!((found.kind.clone(), found.thread, found.kind.code()), (FaultKind::Trap, [3, 0, 0], 715));
}

#[test]
fn the_first_faulty_block_is_reported() {
    let body = "mov.u32 %r1, %ctaid.x; setp.gt.u32 %p1, %r1, 6; @%p1 trap;";
    let mut out = vec![0u32; 64];
    let found = run(&thread_kernel("", body), 40, 32, vec![Argument::Words(&mut out)]).unwrap_err();
    assert_eq!(found.block, [7, 0, 0]);
}
