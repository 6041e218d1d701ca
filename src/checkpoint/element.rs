//! Element types of stored tensors and their exact decoding from little-endian bytes.

use ndarray::ArrayD;

use super::Tensor;

/// The element types that either format may hold and this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    Bool,
    F8(Float8),
    U8,
    I8,
    U16,
    I16,
    F16,
    Bf16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
}

impl Dtype {
    /// Bytes per element in the file.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::F8(_) | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Bytes per element of the [`Tensor`] it becomes.
    pub(super) fn memory(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::F8(_) | Self::F16 | Self::Bf16 | Self::F32 => 4,
            _ => 8,
        }
    }

    /// Gathers `bytes`' elements at `indices` (as many as `shape` has places) into an array.
    ///
    /// `None` if an index lies outside, the counts disagree, or a `u64` is above `i64::MAX`.
    pub(super) fn gather(self, bytes: &[u8], shape: &[usize], indices: impl Iterator<Item = usize>) -> Option<Tensor> {
        let (b, s, i) = (bytes, shape, indices);
        Some(match self {
            Self::Bool => Tensor::Bool(array(b, s, i, |[x]| Some(x != 0))?),
            Self::U8 => Tensor::I64(array(b, s, i, |x| Some(u8::from_le_bytes(x).into()))?),
            Self::I8 => Tensor::I64(array(b, s, i, |x| Some(i8::from_le_bytes(x).into()))?),
            Self::U16 => Tensor::I64(array(b, s, i, |x| Some(u16::from_le_bytes(x).into()))?),
            Self::I16 => Tensor::I64(array(b, s, i, |x| Some(i16::from_le_bytes(x).into()))?),
            Self::U32 => Tensor::I64(array(b, s, i, |x| Some(u32::from_le_bytes(x).into()))?),
            Self::I32 => Tensor::I64(array(b, s, i, |x| Some(i32::from_le_bytes(x).into()))?),
            Self::U64 => Tensor::I64(array(b, s, i, |x| u64::from_le_bytes(x).try_into().ok())?),
            Self::I64 => Tensor::I64(array(b, s, i, |x| Some(i64::from_le_bytes(x)))?),
            Self::F8(kind) => Tensor::F32(array(b, s, i, |[x]| Some(kind.value(x)))?),
            Self::F16 => Tensor::F32(array(b, s, i, |x| Some(half(u16::from_le_bytes(x))))?),
            Self::Bf16 => Tensor::F32(array(b, s, i, |x| Some(bfloat(u16::from_le_bytes(x))))?),
            Self::F32 => Tensor::F32(array(b, s, i, |x| Some(f32::from_le_bytes(x)))?),
            Self::F64 => Tensor::F64(array(b, s, i, |x| Some(f64::from_le_bytes(x)))?),
        })
    }
}

/// The 8-bit floats: sign, exponent and mantissa of these widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float8 {
    /// 4 and 3 bits, bias 7; no infinities, all ones is NaN.
    E4M3Fn,
    /// 4 and 3 bits, bias 8; no infinities and no negative zero, whose bits are NaN.
    E4M3FnUz,
    /// 5 and 2 bits, bias 15, with infinities and NaN as IEEE 754 has them.
    E5M2,
    /// 5 and 2 bits, bias 16; no infinities and no negative zero, whose bits are NaN.
    E5M2FnUz,
}

impl Float8 {
    /// The number of these bits, exactly. Source: PyTorch `torch/headeronly/util/Float8_*.h`.
    fn value(self, bits: u8) -> f32 {
        let (mantissa_bits, bias) = match self {
            Self::E4M3Fn => (3, 7),
            Self::E4M3FnUz => (3, 8),
            Self::E5M2 => (2, 15),
            Self::E5M2FnUz => (2, 16),
        };
        let magnitude = bits & 0x7f;
        let sign = if bits < 0x80 { 1.0 } else { -1.0 };
        match self {
            Self::E4M3Fn if magnitude == 0x7f => return f32::NAN,
            Self::E4M3FnUz | Self::E5M2FnUz if bits == 0x80 => return f32::NAN,
            Self::E5M2 if magnitude == 0x7c => return sign * f32::INFINITY,
            Self::E5M2 if magnitude > 0x7c => return f32::NAN,
            _ => {}
        }
        let exponent = i32::from(magnitude >> mantissa_bits);
        let mantissa = f32::from(magnitude & ((1 << mantissa_bits) - 1)) / f32::from(1u8 << mantissa_bits);
        sign * if exponent == 0 {
            mantissa * 2f32.powi(1 - bias)
        } else {
            (1.0 + mantissa) * 2f32.powi(exponent - bias)
        }
    }
}

fn array<const N: usize, T>(
    bytes: &[u8],
    shape: &[usize],
    indices: impl Iterator<Item = usize>,
    decode: impl Fn([u8; N]) -> Option<T>,
) -> Option<ArrayD<T>> {
    let (elements, _) = bytes.as_chunks::<N>();
    let mut values = Vec::with_capacity(places(shape)?);
    for i in indices {
        values.push(decode(*elements.get(i)?)?);
    }
    ArrayD::from_shape_vec(shape, values).ok()
}

/// The number of elements of an array of this shape; `None` if it or the product of its nonzero axes overflows `isize`,
/// which no array in memory may do.
pub(super) fn places(shape: &[usize]) -> Option<usize> {
    let nonzero = shape.iter().filter(|&&n| n != 0).try_fold(1usize, |p, &n| p.checked_mul(n))?;
    isize::try_from(nonzero).ok()?;
    Some(if shape.contains(&0) { 0 } else { nonzero })
}

/// The bfloat16 of these bits: the upper half of an `f32`.
fn bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The IEEE 754 binary16 of these bits: sign, 5 bits of exponent, 10 of mantissa. Exact; a NaN keeps its payload.
fn half(bits: u16) -> f32 {
    let (sign, exponent, mantissa) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let magnitude = match exponent {
        0 => (mantissa as f32 * f32::from_bits(103 << 23)).to_bits(), // subnormal: mantissa * 2^-24
        31 => 255 << 23 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::{Float8, bfloat, half, places};

    #[test]
    fn every_half_is_the_number_its_bits_say() {
        for bits in 0..=u16::MAX {
            let (e, m) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
            let expected = match e {
                0 => m * 2f64.powi(-24),
                31 if m == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + m / 1024.0) * 2f64.powi(e - 15),
            } * sign;
            let got = f64::from(half(bits));
            assert!(got == expected && got.is_sign_negative() == (sign < 0.0) || got.is_nan() && expected.is_nan());
        }
    }

    #[test]
    fn every_float8_is_the_number_its_bits_say() {
        // Largest and smallest numbers of the formats' papers (arXiv 2209.05433, 2206.02915).
        use Float8::{E4M3Fn, E4M3FnUz, E5M2, E5M2FnUz};
        let cases = [
            (E4M3Fn, 0x7e, 448.0, -9),
            (E4M3FnUz, 0x7f, 240.0, -10),
            (E5M2, 0x7b, 57344.0, -16),
            (E5M2FnUz, 0x7f, 57344.0, -17),
        ];
        for (kind, top, largest, smallest) in cases {
            assert_eq!((kind.value(top), kind.value(1)), (largest, 2f32.powi(smallest)), "{kind:?}");
            // They rise with their bits, and the upper half is the lower with the sign turned.
            for bits in 0..top {
                assert!(kind.value(bits) < kind.value(bits + 1), "{kind:?} {bits}");
                assert!(bits == 0 || kind.value(bits | 0x80) == -kind.value(bits), "{kind:?} {bits}");
            }
            let others: Vec<f32> = (0..=255).map(|bits| kind.value(bits)).filter(|v| !v.is_finite()).collect();
            assert_eq!(others.len(), [2, 1, 8, 1][kind as usize], "{kind:?}");
            assert_eq!(others.iter().filter(|v| v.is_infinite()).count(), if kind == E5M2 { 2 } else { 0 });
        }
        // An IEEE half of which only the upper byte is set is an E5M2.
        for bits in 0..=255u8 {
            let (got, want) = (E5M2.value(bits), half(u16::from(bits) << 8));
            assert!(got == want || got.is_nan() && want.is_nan());
        }
    }

    #[test]
    fn bfloat_is_the_upper_half_of_a_float() {
        assert_eq!((bfloat(0x3f80), bfloat(0xc049)), (1.0, -3.140625));
    }

    #[test]
    fn places_counts_and_refuses_overflow() {
        assert_eq!(places(&[]), Some(1));
        assert_eq!(places(&[3, 0, 4]), Some(0));
        assert_eq!(places(&[1 << 40, 1 << 40]), None);
        assert_eq!(places(&[0, 1 << 40, 1 << 40]), None);
    }
}
