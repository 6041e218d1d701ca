//! Instructions one by one, at the edges of their ranges; expected values are worked out by hand.

mod common;

use common::{evaluate, float, long, word};

const MIN: u32 = i32::MIN as u32;

#[test]
fn integer_sums_and_products() {
    assert_eq!(word("add.s32 %r, %a, %b;", [u32::MAX, 2, 0]), 1);
    assert_eq!(word("add.sat.s32 %r, %a, %b;", [i32::MAX as u32, 1, 0]), i32::MAX as u32);
    assert_eq!(word("sub.s32 %r, %a, %b;", [0, 1, 0]), u32::MAX);
    assert_eq!(word("mul.lo.s32 %r, %a, %b;", [0x10001, 0x10001, 0]), 0x20001);
    assert_eq!(word("mul.hi.u32 %r, %a, %b;", [u32::MAX, u32::MAX, 0]), 0xffff_fffe);
    assert_eq!(word("mul.hi.s32 %r, %a, %b;", [u32::MAX, u32::MAX, 0]), 0);
    assert_eq!(long("mul.wide.s32 %lr, %a, %b;", [MIN.into(), 2, 0]), (-1i64 << 32) as u64);
    assert_eq!(long("mul.wide.u32 %lr, %a, %b;", [MIN.into(), 2, 0]), 1 << 32);
    assert_eq!(long("mul.hi.s64 %lr, %la, %lb;", [u64::MAX, 3, 0]), u64::MAX);
    assert_eq!(long("mul.hi.u64 %lr, %la, %lb;", [u64::MAX, 3, 0]), 2);
    assert_eq!(word("mad.lo.s32 %r, %a, %b, %c;", [3, u32::MAX, 10]), 7);
    assert_eq!(long("mad.wide.s32 %lr, %a, %b, %lc;", [u32::MAX.into(), 5, 7]), 2);
    assert_eq!(word("mad.hi.s32 %r, %a, %b, %c;", [1 << 31, 4, 3]), 1);
    assert_eq!(word("mul24.lo.u32 %r, %a, %b;", [0x0100_0002, 3, 0]), 6);
    assert_eq!(word("sad.s32 %r, %a, %b, %c;", [u32::MAX, 4, 10]), 15);
}

#[test]
fn integer_division() {
    assert_eq!(word("div.s32 %r, %a, %b;", [-7i32 as u32, 2, 0]) as i32, -3);
    assert_eq!(word("rem.s32 %r, %a, %b;", [-7i32 as u32, 2, 0]) as i32, -1);
    assert_eq!(word("div.u32 %r, %a, %b;", [u32::MAX, 2, 0]), i32::MAX as u32);
    assert_eq!(word("div.s32 %r, %a, %b;", [MIN, u32::MAX, 0]), MIN);
    assert_eq!(word("div.u32 %r, %a, %b;", [5, 0, 0]), u32::MAX);
    assert_eq!(word("rem.u32 %r, %a, %b;", [5, 0, 0]), 5);
    assert_eq!(long("rem.u64 %lr, %la, %lb;", [u64::MAX, 10, 0]), 5);
}

#[test]
fn integer_order_and_signs() {
    assert_eq!(word("min.s32 %r, %a, %b;", [u32::MAX, 1, 0]), u32::MAX);
    assert_eq!(word("min.u32 %r, %a, %b;", [u32::MAX, 1, 0]), 1);
    assert_eq!(word("max.s32 %r, %a, %b;", [u32::MAX, 1, 0]), 1);
    assert_eq!(long("max.u64 %lr, %la, %lb;", [u64::MAX, 1, 0]), u64::MAX);
    assert_eq!(word("neg.s32 %r, %a;", [5, 0, 0]) as i32, -5);
    assert_eq!(word("abs.s32 %r, %a;", [-5i32 as u32, 0, 0]), 5);
    assert_eq!(word("abs.s32 %r, %a;", [MIN, 0, 0]), MIN);
    assert_eq!(
        word("cvt.u16.u32 %h0, %a; cvt.u16.u32 %h1, %b; min.s16 %h2, %h0, %h1; cvt.s32.s16 %r, %h2;", [0xffff, 1, 0]),
        u32::MAX
    );
}

#[test]
fn carries() {
    let add = "add.cc.u32 %r, %a, %b; addc.u32 %s, %c, 0; cvt.u64.u32 %lr, %s;";
    assert_eq!(evaluate(add, [u32::MAX.into(), 1, 5]), (0, 6));
    assert_eq!(evaluate(add, [1, 1, 5]), (2, 5));
    let sub = "sub.cc.u32 %r, %a, %b; subc.u32 %s, %c, 0; cvt.u64.u32 %lr, %s;";
    assert_eq!(evaluate(sub, [0, 1, 5]), (u32::MAX, 4));
    let mad = "mad.lo.cc.u32 %r, %a, %b, %c; madc.hi.u32 %s, %a, %b, 0; cvt.u64.u32 %lr, %s;";
    assert_eq!(evaluate(mad, [u32::MAX.into(), u32::MAX.into(), u32::MAX.into()]), (0, u32::MAX.into()));
}

#[test]
fn logic_and_shifts() {
    assert_eq!(word("and.b32 %r, %a, %b;", [0b1100, 0b1010, 0]), 0b1000);
    assert_eq!(word("or.b32 %r, %a, %b;", [0b1100, 0b1010, 0]), 0b1110);
    assert_eq!(word("xor.b32 %r, %a, %b;", [0b1100, 0b1010, 0]), 0b0110);
    assert_eq!(word("not.b32 %r, %a;", [1, 0, 0]), !1);
    assert_eq!(word("cnot.b32 %r, %a;", [0, 0, 0]), 1);
    assert_eq!(word("shl.b32 %r, %a, %b;", [1, 31, 0]), 1 << 31);
    assert_eq!(word("shl.b32 %r, %a, %b;", [1, 32, 0]), 0);
    assert_eq!(word("shr.u32 %r, %a, %b;", [u32::MAX, 40, 0]), 0);
    assert_eq!(word("shr.s32 %r, %a, %b;", [MIN, 40, 0]), u32::MAX);
    assert_eq!(long("shr.s64 %lr, %la, %b;", [1 << 63, 63, 0]), u64::MAX);
    assert_eq!(word("shf.l.wrap.b32 %r, %a, %b, %c;", [0x8000_0000, 1, 33]), 3);
    assert_eq!(word("shf.r.clamp.b32 %r, %a, %b, %c;", [0x8000_0000, 1, 40]), 1);
    assert_eq!(word("shf.r.wrap.b32 %r, %a, %b, %c;", [0x8000_0000, 1, 31]), 3);
    assert_eq!(word("lop3.b32 %r, %a, %b, %c, 0x96;", [0b1100, 0b1010, 0b0001]), 0b0111);
    assert_eq!(word("lop3.b32 %r, %a, %b, %c, 0xca;", [0xff00, 0x1234, 0x5678]), 0x1278);
    assert_eq!(word("prmt.b32 %r, %a, %b, %c;", [0x3322_1180, 0x7766_5544, 0x7408]), 0x7744_80ff);
}

#[test]
fn bit_fields() {
    assert_eq!(word("bfe.u32 %r, %a, %b, %c;", [0xabcd_1234, 8, 8]), 0x12);
    assert_eq!(word("bfe.s32 %r, %a, %b, %c;", [0x0000_8000, 8, 8]), 0xffff_ff80);
    assert_eq!(word("bfe.u32 %r, %a, %b, %c;", [u32::MAX, 28, 8]), 0xf);
    assert_eq!(word("bfe.s32 %r, %a, %b, %c;", [MIN, 40, 8]), u32::MAX);
    assert_eq!(word("bfe.u32 %r, %a, %b, %c;", [u32::MAX, 4, 0]), 0);
    assert_eq!(word("bfi.b32 %r, %a, %b, %c, 8;", [0x12, 0xffff_ffff, 8]), 0xffff_12ff);
    assert_eq!(word("bfi.b32 %r, %a, %b, %c, 64;", [0x12, 0xffff_ffff, 32]), 0xffff_ffff);
    assert_eq!(long("bfi.b64 %lr, %la, %lb, 32, 32;", [7, 9, 0]), 7 << 32 | 9);
    assert_eq!(word("popc.b32 %r, %a;", [0xf0f0, 0, 0]), 8);
    assert_eq!(word("popc.b64 %r, %la;", [u32::MAX, 0, 0]), 32);
    assert_eq!(word("clz.b32 %r, %a;", [0, 0, 0]), 32);
    assert_eq!(word("clz.b64 %r, %la;", [1, 0, 0]), 63);
    assert_eq!(word("brev.b32 %r, %a;", [1, 0, 0]), 1 << 31);
    assert_eq!(word("bfind.u32 %r, %a;", [0x100, 0, 0]), 8);
    assert_eq!(word("bfind.s32 %r, %a;", [-2i32 as u32, 0, 0]), 0);
    assert_eq!(word("bfind.u32 %r, %a;", [0, 0, 0]), u32::MAX);
    assert_eq!(word("bfind.shiftamt.u32 %r, %a;", [0x100, 0, 0]), 23);
}

#[test]
fn comparisons_and_selections() {
    let compare = |name: &str, operands| word(&format!("setp.{name} %p, %a, %b; selp.u32 %r, 1, 0, %p;"), operands);
    assert_eq!(compare("lt.s32", [u32::MAX, 0, 0]), 1);
    assert_eq!(compare("lt.u32", [u32::MAX, 0, 0]), 0);
    assert_eq!(compare("hi.u32", [u32::MAX, 0, 0]), 1);
    let nan = f32::NAN.to_bits();
    let one = 1f32.to_bits();
    for (name, ordered) in [("eq", 1), ("ne", 0), ("lt", 0), ("le", 1), ("gt", 0), ("ge", 1)] {
        assert_eq!(compare(&format!("{name}.f32"), [one, one, 0]), ordered, "{name}");
        assert_eq!(compare(&format!("{name}.f32"), [nan, one, 0]), 0, "{name} NaN");
        assert_eq!(compare(&format!("{name}u.f32"), [one, one, 0]), ordered, "{name}u");
        assert_eq!(compare(&format!("{name}u.f32"), [nan, one, 0]), 1, "{name}u NaN");
    }
    assert_eq!(compare("num.f32", [one, one, 0]), 1);
    assert_eq!(compare("nan.f32", [one, nan, 0]), 1);
    assert_eq!(compare("eq.ftz.f32", [1, 0, 0]), 1);
    let both = "setp.ne.s32 %q, %c, 0; setp.lt.and.s32 %p|%q, %a, %b, %q; selp.u32 %r, 1, 0, %p; selp.u32 %s, 2, 0, %q; add.s32 %r, %r, %s;";
    assert_eq!(word(both, [1, 2, 1]), 1);
    assert_eq!(word(both, [2, 1, 1]), 2);
    assert_eq!(word(both, [1, 2, 0]), 0);
    let negated = "setp.ne.s32 %q, %c, 0; setp.lt.or.s32 %p, %a, %b, !%q; selp.u32 %r, 1, 0, %p;";
    assert_eq!(word(negated, [2, 1, 0]), 1);
    assert_eq!(word(negated, [2, 1, 1]), 0);
    assert_eq!(word("set.gt.u32.s32 %r, %a, %b;", [2, 1, 0]), u32::MAX);
    assert_eq!(word("set.gt.f32.s32 %r, %a, %b;", [2, 1, 0]), one);
    assert_eq!(word("slct.u32.s32 %r, %a, %b, %c;", [2, 1, u32::MAX]), 1);
    assert_eq!(word("slct.u32.s32 %r, %a, %b, %c;", [2, 1, 0]), 2);
}

#[test]
fn float_arithmetic() {
    assert_eq!(float("add.f32 %r, %a, %b;", [16_777_216.0, 1.0, 0.0]), 16_777_216.0);
    assert_eq!(float("add.rp.f32 %r, %a, %b;", [16_777_216.0, 1.0, 0.0]), 16_777_218.0);
    assert_eq!(float("add.rz.f32 %r, %a, %b;", [1.0, 1e-30, 0.0]), 1.0);
    assert_eq!(float("add.rz.f32 %r, %a, %b;", [1.0, -1e-30, 0.0]), 1.0f32.next_down());
    // The exact square of the f32 next to 1.1 is 1.2100000524..., between the f32 1.21000003... and the one above it.
    assert_eq!(float("mul.rm.f32 %r, %a, %b;", [1.1, 1.1, 0.0]), 1.21);
    assert_eq!(float("mul.rp.f32 %r, %a, %b;", [1.1, 1.1, 0.0]), 1.21f32.next_up());
    // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24 exactly, which only a single rounding sees.
    let x = 1.0 + (-12f32).exp2();
    assert_eq!(float("fma.rn.f32 %r, %a, %b, %c;", [x, x, -(1.0 + (-11f32).exp2())]), (-24f32).exp2());
    assert_eq!(float("mul.f32 %r, %a, %a; add.f32 %r, %r, %c;", [x, x, -(1.0 + (-11f32).exp2())]), 0.0);
    assert_eq!(float("fma.rm.f32 %r, %a, %b, %c;", [1.0, 1.0, -1e-30]), 1.0f32.next_down());
    assert_eq!(float("div.rn.f32 %r, %a, %b;", [1.0, 3.0, 0.0]), 1.0 / 3.0);
    assert_eq!(float("mul.sat.f32 %r, %a, %b;", [3.0, 2.0, 0.0]), 1.0);
    let tiny = f32::MIN_POSITIVE;
    assert_eq!(float("mul.f32 %r, %a, %b;", [tiny, 0.5, 0.0]), tiny / 2.0);
    assert_eq!(float("mul.ftz.f32 %r, %a, %b;", [-tiny, 0.5, 0.0]).to_bits(), (-0f32).to_bits());
    assert_eq!(float("add.ftz.f32 %r, %a, %b;", [tiny / 2.0, 1.0, 0.0]), 1.0);
    assert_eq!(float("max.f32 %r, %a, %b;", [f32::NAN, 1.0, 0.0]), 1.0);
    assert_eq!(float("max.f32 %r, %a, %b;", [-0.0, 0.0, 0.0]).to_bits(), 0);
    assert_eq!(float("min.f32 %r, %a, %b;", [0.0, -0.0, 0.0]).to_bits(), (-0f32).to_bits());
    assert!(float("min.NaN.f32 %r, %a, %b;", [1.0, f32::NAN, 0.0]).is_nan());
    assert_eq!(float("neg.f32 %r, %a;", [2.0, 0.0, 0.0]), -2.0);
    assert_eq!(float("copysign.f32 %r, %a, %b;", [-1.0, 2.0, 0.0]), -2.0);
    assert_eq!(
        float("testp.subnormal.f32 %p, %a; selp.f32 %r, 0f3F800000, 0f00000000, %p;", [tiny / 2.0, 0.0, 0.0]),
        1.0
    );
}

#[test]
fn float_functions() {
    assert_eq!(float("sqrt.rn.f32 %r, %a;", [2.0, 0.0, 0.0]), 2f32.sqrt());
    assert_eq!(float("rsqrt.approx.f32 %r, %a;", [4.0, 0.0, 0.0]), 0.5);
    assert_eq!(float("rcp.rn.f32 %r, %a;", [8.0, 0.0, 0.0]), 0.125);
    assert_eq!(float("ex2.approx.f32 %r, %a;", [-3.0, 0.0, 0.0]), 0.125);
    assert_eq!(float("lg2.approx.f32 %r, %a;", [0.25, 0.0, 0.0]), -2.0);
    assert_eq!(float("sin.approx.f32 %r, %a;", [0.0, 0.0, 0.0]), 0.0);
    assert_eq!(float("cos.approx.f32 %r, %a;", [0.0, 0.0, 0.0]), 1.0);
}

#[test]
fn doubles() {
    let double = |code: &str, operands: [f64; 3]| f64::from_bits(long(code, operands.map(f64::to_bits)));
    assert_eq!(double("add.f64 %lr, %la, %lb;", [0.1, 0.2, 0.0]), 0.1 + 0.2);
    assert_eq!(double("sub.f64 %lr, %la, %lb;", [0.1, 0.2, 0.0]), 0.1 - 0.2);
    assert_eq!(double("div.rn.f64 %lr, %la, %lb;", [1.0, 3.0, 0.0]), 1.0 / 3.0);
    assert_eq!(double("sqrt.rn.f64 %lr, %la;", [2.0, 0.0, 0.0]), 2f64.sqrt());
    let x = 1.0 + (-27f64).exp2();
    assert_eq!(double("fma.rn.f64 %lr, %la, %lb, %lc;", [x, x, -(1.0 + (-26f64).exp2())]), (-54f64).exp2());
    assert_eq!(double("max.f64 %lr, %la, %lb;", [f64::NAN, 1.0, 0.0]), 1.0);
    let coarse = double("rcp.approx.ftz.f64 %lr, %la;", [3.0, 0.0, 0.0]);
    assert!((coarse * 3.0 - 1.0).abs() < 1e-6 && coarse.to_bits() & 0xffff_ffff == 0);
    assert_eq!(double("mov.f64 %lr, 0d3FF8000000000000;", [0.0; 3]), 1.5);
}

#[test]
fn conversions_round_as_asked() {
    for (mode, expected) in [("rni", [2, -2]), ("rzi", [2, -2]), ("rmi", [2, -3]), ("rpi", [3, -2])] {
        let code = format!("cvt.{mode}.s32.f32 %r, %a;");
        let results = [2.5f32, -2.5].map(|x| word(&code, [x.to_bits(), 0, 0]) as i32);
        assert_eq!(results, expected, "{mode}");
        let code = format!("cvt.{mode}.f32.f32 %r, %a;");
        assert_eq!([2.5f32, -2.5].map(|x| float(&code, [x, 0.0, 0.0])), expected.map(|x| x as f32), "{mode}");
    }
    // 2^24 + 1 lies between two f32.
    let between = (1 << 24) + 1;
    for (mode, expected) in [("rn", 16_777_216.0), ("rz", 16_777_216.0), ("rm", 16_777_216.0), ("rp", 16_777_218.0)] {
        let code = format!("cvt.{mode}.f32.s32 %r, %a;");
        assert_eq!(f32::from_bits(word(&code, [between, 0, 0])), expected, "{mode}");
        let code = format!("cvt.{mode}.f32.f64 %r, %la;");
        let (bits, _) = evaluate(&code, [f64::from(between).to_bits(), 0, 0]);
        assert_eq!(f32::from_bits(bits), expected, "{mode} from f64");
    }
    let code = "cvt.rm.f32.s32 %r, %a;";
    assert_eq!(f32::from_bits(word(code, [(-(between as i32)) as u32, 0, 0])), -16_777_218.0);
}

#[test]
fn conversions_at_the_edges() {
    assert_eq!(word("cvt.rzi.s32.f32 %r, %a;", [1e20f32.to_bits(), 0, 0]) as i32, i32::MAX);
    assert_eq!(word("cvt.rzi.u32.f32 %r, %a;", [(-1f32).to_bits(), 0, 0]), 0);
    assert_eq!(word("cvt.rzi.s32.f32 %r, %a;", [f32::NAN.to_bits(), 0, 0]), 0);
    assert_eq!(long("cvt.rzi.s64.f32 %lr, %a;", [f32::NAN.to_bits().into(), 0, 0]), 1 << 63);
    assert_eq!(word("cvt.sat.f32.f32 %r, %a;", [f32::NAN.to_bits(), 0, 0]), 0);
    assert_eq!(word("cvt.sat.u8.s32 %r, %a;", [300, 0, 0]), 255);
    assert_eq!(word("cvt.sat.s8.s32 %r, %a;", [-300i32 as u32, 0, 0]) as i32, -128);
    assert_eq!(word("cvt.s32.s8 %r, %a;", [0x80, 0, 0]) as i32, -128);
    assert_eq!(word("cvt.u32.u8 %r, %a;", [0x1ff, 0, 0]), 0xff);
    assert_eq!(long("cvt.s64.s32 %lr, %a;", [u32::MAX.into(), 0, 0]), u64::MAX);
    assert_eq!(long("cvt.u64.u32 %lr, %a;", [u32::MAX.into(), 0, 0]), u32::MAX.into());
    assert_eq!(long("cvt.s64.s16 %lr, %a;", [0x8000, 0, 0]) as i64, -32768);
    assert_eq!(word("cvt.rn.f32.u64 %r, %la;", [16, 0, 0]), 16f32.to_bits());
    // Ties go away from zero: 1 + 2^-11 becomes 1 + 2^-10.
    assert_eq!(float("cvt.rna.tf32.f32 %r, %a;", [1.0 + (-11f32).exp2(), 0.0, 0.0]), 1.0 + (-10f32).exp2());
}

#[test]
fn moves_pack_and_unpack() {
    assert_eq!(long("mov.b64 %lr, {%a, %b};", [1, 2, 0]), 2 << 32 | 1);
    assert_eq!(word("mov.b64 {_, %r}, %la;", [7, 0, 0]), 0);
    assert_eq!(evaluate("mov.b64 {_, %r}, %la;", [7 << 32, 0, 0]).0, 7);
    assert_eq!(word("mov.b32 {%h0, %h1}, %a; mov.b32 %r, {%h1, %h0};", [0x1234_5678, 0, 0]), 0x5678_1234);
    assert_eq!(word("{ .reg .b32 %a; mov.u32 %a, 9; } mov.u32 %r, %a;", [3, 0, 0]), 3);
}
