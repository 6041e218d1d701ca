//! Fast Fourier transforms of any length, of many columns at once.

use super::vectorised;
use crate::arithmetic::prime_factors;
use ndarray::NdFloat;
use num_complex::Complex;
use std::f64::consts::TAU;

/// The largest prime factor of a length that is transformed by its definition; lengths with a larger one go by
/// Bluestein's convolution.
const LARGEST_PRIME: usize = 199;

/// The discrete Fourier transform of length m, `X_k = sum_t x_t e^(-2 pi i k t / m)`, of columns side by side.
///
/// Mixed radix in Stockham's order, O(m log m) for lengths of small primes; others are Bluestein's convolution with a chirp.
/// Sources: Van Loan, Computational Frameworks for the Fast Fourier Transform (1992), sections 1.7 and 4.2; Bluestein (1970).
pub(crate) struct Fft<T> {
    length: usize,
    stages: Vec<Stage<T>>,
    chirp: Option<Box<Chirp<T>>>,
}

/// Columns of complex numbers: real and imaginary parts by row, W columns to a row.
#[derive(Clone)]
pub(crate) struct ComplexColumns<T, const W: usize> {
    pub re: Vec<[T; W]>,
    pub im: Vec<[T; W]>,
}

/// One factor of the length: sums over `radix` rows that lie `rest * stride` apart.
struct Stage<T> {
    radix: usize,
    rest: usize,
    stride: usize,
    /// `e^(-2 pi i j / radix)`
    roots: Vec<Complex<T>>,
    /// `e^(-2 pi i p k / (radix rest))` for each p below rest, k below radix.
    twiddles: Vec<Complex<T>>,
}

/// A length m as a convolution of length n >= 2 m - 1.
struct Chirp<T> {
    fft: Fft<T>,
    /// `e^(-i pi t^2 / m)`
    chirp: Vec<Complex<T>>,
    /// The transform of the conjugate of the chirp, over n.
    kernel: Vec<Complex<T>>,
}

/// `e^(2 pi i t / m)`, exact where it is 1, i, -1 or -i.
pub(crate) fn root_of_unity(t: usize, m: usize) -> Complex<f64> {
    if (4 * t).is_multiple_of(m) {
        let (re, im) = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][4 * t / m % 4];
        return Complex::new(re, im);
    }
    Complex::from_polar(1.0, TAU * t as f64 / m as f64)
}

/// `e^(-2 pi i t / m)`, rounded once.
fn root<T: NdFloat>(t: usize, m: usize) -> Complex<T> {
    let round = |v: f64| T::from(v).expect("a float holds any float, rounded");
    let root = root_of_unity(t % m, m);
    Complex::new(round(root.re), round(-root.im))
}

impl<T: NdFloat, const W: usize> ComplexColumns<T, W> {
    /// m rows of zeros.
    pub fn zeros(m: usize) -> Self {
        Self { re: vec![[T::zero(); W]; m], im: vec![[T::zero(); W]; m] }
    }

    /// Multiplies row t by the t-th factor, or by its conjugate.
    #[inline(always)]
    fn scale(&mut self, factors: &[Complex<T>], conjugate: bool) {
        for ((re, im), factor) in self.re.iter_mut().zip(&mut self.im).zip(factors) {
            let factor = if conjugate { factor.conj() } else { *factor };
            (*re, *im) = multiply((*re, *im), factor);
        }
    }
}

impl<T: NdFloat> Fft<T> {
    /// The transform of length m >= 1.
    pub fn new(m: usize) -> Self {
        let factors = factors(m);
        if factors.last() > Some(&LARGEST_PRIME) {
            return Self { length: m, stages: Vec::new(), chirp: Some(Box::new(Chirp::new(m))) };
        }
        let (mut rest, mut stride) = (m, 1);
        let stage = |radix| {
            rest /= radix;
            let twiddle = |i: usize| root(i / radix * (i % radix), radix * rest);
            let stage = Stage {
                radix,
                rest,
                stride,
                roots: (0..radix).map(|j| root(j, radix)).collect(),
                twiddles: (0..radix * rest).map(twiddle).collect(),
            };
            stride *= radix;
            stage
        };
        Self { length: m, stages: factors.into_iter().map(stage).collect(), chirp: None }
    }

    /// Transforms every column in place; `scratch` is what it likes.
    ///
    /// # Panics
    /// If there are fewer rows than the length.
    pub fn forward<const W: usize>(&self, columns: &mut ComplexColumns<T, W>, scratch: &mut ComplexColumns<T, W>) {
        vectorised(
            #[inline(always)]
            || match &self.chirp {
                Some(chirp) => chirp.forward(self.length, columns),
                None => self.stages(columns, scratch),
            },
        );
    }

    /// The inverse without its factor 1/m, `x_t = sum_k X_k e^(2 pi i k t / m)`, in place.
    ///
    /// # Panics
    /// If there are fewer rows than the length.
    pub fn inverse<const W: usize>(&self, columns: &mut ComplexColumns<T, W>, scratch: &mut ComplexColumns<T, W>) {
        // With real and imaginary parts exchanged on both sides, it is the forward transform.
        std::mem::swap(&mut columns.re, &mut columns.im);
        self.forward(columns, scratch);
        std::mem::swap(&mut columns.re, &mut columns.im);
    }

    #[inline(always)]
    fn stages<const W: usize>(&self, columns: &mut ComplexColumns<T, W>, scratch: &mut ComplexColumns<T, W>) {
        scratch.re.resize(self.length, [T::zero(); W]);
        scratch.im.resize(self.length, [T::zero(); W]);
        for stage in &self.stages {
            match stage.radix {
                2 => stage.two(columns, scratch),
                4 => stage.four(columns, scratch),
                3 => stage.three(columns, scratch),
                5 => stage.five(columns, scratch),
                _ => stage.odd(columns, scratch),
            }
            std::mem::swap(columns, scratch);
        }
    }
}

/// The prime factors of m in rising order, pairs of 2 as 4.
fn factors(m: usize) -> Vec<usize> {
    let mut factors = prime_factors(m);
    let twos = factors.iter().take_while(|&&p| p == 2).count();
    factors.splice(..twos / 2 * 2, vec![4; twos / 2]);
    factors.sort_unstable();
    factors
}

/// `a b`
#[inline(always)]
fn multiply<T: NdFloat, const W: usize>((re, im): ([T; W], [T; W]), by: Complex<T>) -> ([T; W], [T; W]) {
    let mut product = (re, im);
    for i in 0..W {
        product.0[i] = re[i] * by.re - im[i] * by.im;
        product.1[i] = re[i] * by.im + im[i] * by.re;
    }
    product
}

/// `a + b c`
#[inline(always)]
fn add_times<T: NdFloat, const W: usize>(a: [T; W], b: [T; W], c: T) -> [T; W] {
    let mut sum = a;
    for i in 0..W {
        sum[i] = a[i] + b[i] * c;
    }
    sum
}

/// `a + b` and `a - b`
#[inline(always)]
fn sum_difference<T: NdFloat, const W: usize>(a: [T; W], b: [T; W]) -> ([T; W], [T; W]) {
    let mut both = (a, a);
    for i in 0..W {
        both.0[i] = a[i] + b[i];
        both.1[i] = a[i] - b[i];
    }
    both
}

impl<T: NdFloat> Stage<T> {
    /// Calls `f(p, q)` for every sum of this stage.
    #[inline(always)]
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        for p in 0..self.rest {
            for q in 0..self.stride {
                f(p, q);
            }
        }
    }

    /// Summand j.
    #[inline(always)]
    fn read<const W: usize>(&self, from: &ComplexColumns<T, W>, p: usize, q: usize, j: usize) -> ([T; W], [T; W]) {
        let row = q + self.stride * (p + self.rest * j);
        (from.re[row], from.im[row])
    }

    /// Sum k, turned on.
    #[inline(always)]
    fn write<const W: usize>(
        &self,
        to: &mut ComplexColumns<T, W>,
        p: usize,
        q: usize,
        k: usize,
        sum: ([T; W], [T; W]),
    ) {
        let row = q + self.stride * (self.radix * p + k);
        (to.re[row], to.im[row]) = multiply(sum, self.twiddles[self.radix * p + k]);
    }

    #[inline(always)]
    fn two<const W: usize>(&self, from: &ComplexColumns<T, W>, to: &mut ComplexColumns<T, W>) {
        self.each(
            #[inline(always)]
            |p, q| {
                let (a, b) = (self.read(from, p, q, 0), self.read(from, p, q, 1));
                let (re, im) = (sum_difference(a.0, b.0), sum_difference(a.1, b.1));
                self.write(to, p, q, 0, (re.0, im.0));
                self.write(to, p, q, 1, (re.1, im.1));
            },
        );
    }

    #[inline(always)]
    fn four<const W: usize>(&self, from: &ComplexColumns<T, W>, to: &mut ComplexColumns<T, W>) {
        self.each(
            #[inline(always)]
            |p, q| {
                let (a, b) = (self.read(from, p, q, 0), self.read(from, p, q, 1));
                let (c, d) = (self.read(from, p, q, 2), self.read(from, p, q, 3));
                let (ac_re, ac_im) = (sum_difference(a.0, c.0), sum_difference(a.1, c.1));
                let (bd_re, bd_im) = (sum_difference(b.0, d.0), sum_difference(b.1, d.1));
                let (even_re, even_im) = (sum_difference(ac_re.0, bd_re.0), sum_difference(ac_im.0, bd_im.0));
                // -i (b - d) is its imaginary part and minus its real one.
                let (odd_re, odd_im) = (sum_difference(ac_re.1, bd_im.1), sum_difference(ac_im.1, bd_re.1));
                self.write(to, p, q, 0, (even_re.0, even_im.0));
                self.write(to, p, q, 1, (odd_re.0, odd_im.1));
                self.write(to, p, q, 2, (even_re.1, even_im.1));
                self.write(to, p, q, 3, (odd_re.1, odd_im.0));
            },
        );
    }

    // Sums of 3 and of 5 by hand take half the time that `odd` does.
    #[inline(always)]
    fn three<const W: usize>(&self, from: &ComplexColumns<T, W>, to: &mut ComplexColumns<T, W>) {
        let root = self.roots[1];
        self.each(
            #[inline(always)]
            |p, q| {
                let (a, b, c) = (self.read(from, p, q, 0), self.read(from, p, q, 1), self.read(from, p, q, 2));
                let (re, im) = (sum_difference(b.0, c.0), sum_difference(b.1, c.1));
                let cosines = (add_times(a.0, re.0, root.re), add_times(a.1, im.0, root.re));
                let zero = [T::zero(); W];
                let sines = (add_times(zero, re.1, root.im), add_times(zero, im.1, root.im));
                let (turned_re, turned_im) = (sum_difference(cosines.0, sines.1), sum_difference(cosines.1, sines.0));
                self.write(to, p, q, 0, (sum_difference(a.0, re.0).0, sum_difference(a.1, im.0).0));
                self.write(to, p, q, 1, (turned_re.1, turned_im.0));
                self.write(to, p, q, 2, (turned_re.0, turned_im.1));
            },
        );
    }

    #[inline(always)]
    fn five<const W: usize>(&self, from: &ComplexColumns<T, W>, to: &mut ComplexColumns<T, W>) {
        let (r1, r2) = (self.roots[1], self.roots[2]);
        self.each(
            #[inline(always)]
            |p, q| {
                let a = self.read(from, p, q, 0);
                let (b, c) = (self.read(from, p, q, 1), self.read(from, p, q, 2));
                let (d, e) = (self.read(from, p, q, 3), self.read(from, p, q, 4));
                let (be_re, be_im) = (sum_difference(b.0, e.0), sum_difference(b.1, e.1));
                let (cd_re, cd_im) = (sum_difference(c.0, d.0), sum_difference(c.1, d.1));
                let all = (add_times(a.0, be_re.0, T::one()), add_times(a.1, be_im.0, T::one()));
                self.write(to, p, q, 0, (sum_difference(all.0, cd_re.0).0, sum_difference(all.1, cd_im.0).0));
                let zero = [T::zero(); W];
                // The square of the second root is the fourth, the conjugate of the first.
                for (k, x, y, sign) in [(1, r1, r2, T::one()), (2, r2, r1, -T::one())] {
                    let cos_re = add_times(add_times(a.0, be_re.0, x.re), cd_re.0, y.re);
                    let cos_im = add_times(add_times(a.1, be_im.0, x.re), cd_im.0, y.re);
                    let sin_re = add_times(add_times(zero, be_re.1, x.im), cd_re.1, sign * y.im);
                    let sin_im = add_times(add_times(zero, be_im.1, x.im), cd_im.1, sign * y.im);
                    let (re, im) = (sum_difference(cos_re, sin_im), sum_difference(cos_im, sin_re));
                    self.write(to, p, q, k, (re.1, im.0));
                    self.write(to, p, q, 5 - k, (re.0, im.1));
                }
            },
        );
    }

    /// Summands j and radix - j together: their sum goes with the cosine, their difference with the sine.
    #[inline(always)]
    fn odd<const W: usize>(&self, from: &ComplexColumns<T, W>, to: &mut ComplexColumns<T, W>) {
        const HALF: usize = LARGEST_PRIME / 2;
        let (radix, half, zero) = (self.radix, self.radix / 2, [T::zero(); W]);
        let (mut sums, mut differences) = ([(zero, zero); HALF], [(zero, zero); HALF]);
        self.each(
            #[inline(always)]
            |p, q| {
                let first = self.read(from, p, q, 0);
                let mut all = first;
                for j in 1..=half {
                    let (a, b) = (self.read(from, p, q, j), self.read(from, p, q, radix - j));
                    let (re, im) = (sum_difference(a.0, b.0), sum_difference(a.1, b.1));
                    (sums[j - 1], differences[j - 1]) = ((re.0, im.0), (re.1, im.1));
                    all = (sum_difference(all.0, re.0).0, sum_difference(all.1, im.0).0);
                }
                self.write(to, p, q, 0, all);
                for k in 1..=half {
                    let (mut cosines, mut sines) = (first, (zero, zero));
                    let mut power = 0;
                    for (sum, difference) in sums[..half].iter().zip(&differences[..half]) {
                        power += k;
                        if power >= radix {
                            power -= radix;
                        }
                        // The root is cos - i sin.
                        let root = self.roots[power];
                        for i in 0..W {
                            cosines.0[i] += sum.0[i] * root.re;
                            cosines.1[i] += sum.1[i] * root.re;
                            sines.0[i] += difference.0[i] * root.im;
                            sines.1[i] += difference.1[i] * root.im;
                        }
                    }
                    let (re, im) = (sum_difference(cosines.0, sines.1), sum_difference(cosines.1, sines.0));
                    self.write(to, p, q, k, (re.1, im.0));
                    self.write(to, p, q, radix - k, (re.0, im.1));
                }
            },
        );
    }
}

impl<T: NdFloat> Chirp<T> {
    fn new(m: usize) -> Self {
        let smooth = |n: usize| factors(n).last() <= Some(&5);
        let n = (2 * m - 1..).find(|&n| smooth(n)).expect("powers of 2 have no end");
        let fft = Fft::new(n);
        let chirp: Vec<Complex<T>> = (0..m).map(|t| root(t * t % (2 * m), 2 * m)).collect();
        let (mut columns, mut scratch) = (ComplexColumns::<T, 1>::zeros(n), ComplexColumns::zeros(n));
        let over = T::one() / T::from(n).expect("a float holds any count, rounded");
        for (t, value) in chirp.iter().enumerate() {
            for row in [t, (n - t) % n] {
                (columns.re[row], columns.im[row]) = ([value.re * over], [-value.im * over]);
            }
        }
        fft.forward(&mut columns, &mut scratch);
        let kernel = columns.re.iter().zip(&columns.im).map(|(re, im)| Complex::new(re[0], im[0])).collect();
        Self { fft, chirp, kernel }
    }

    /// `k t = (k^2 + t^2 - (k - t)^2) / 2`: a product with the chirp, a convolution with its conjugate, a product.
    #[inline(always)]
    fn forward<const W: usize>(&self, m: usize, columns: &mut ComplexColumns<T, W>) {
        let n = self.kernel.len();
        let (mut padded, mut scratch) = (ComplexColumns::zeros(n), ComplexColumns::zeros(n));
        columns.scale(&self.chirp, false);
        padded.re[..m].copy_from_slice(&columns.re[..m]);
        padded.im[..m].copy_from_slice(&columns.im[..m]);
        self.fft.stages(&mut padded, &mut scratch);
        // The inverse is the conjugate of the transform of the conjugate.
        padded.scale(&self.kernel, false);
        padded.im.iter_mut().flatten().for_each(|v| *v = -*v);
        self.fft.stages(&mut padded, &mut scratch);
        columns.re[..m].copy_from_slice(&padded.re[..m]);
        columns.im[..m].copy_from_slice(&padded.im[..m]);
        columns.scale(&self.chirp, true);
        columns.im.iter_mut().flatten().for_each(|v| *v = -*v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to 130, and some large ones: primes, powers, products.
    fn lengths() -> impl Iterator<Item = usize> {
        (1..=130).chain([199, 243, 256, 257, 360, 509, 720, 1000, 1021, 1024, 2187, 2520, 2521, 3844])
    }

    fn values<T: NdFloat, const W: usize>(m: usize) -> ComplexColumns<T, W> {
        let value = |t: usize, i: usize| T::from(((7 * t + 3 * i) as f64 * 1.37).sin()).unwrap();
        let part = |first: usize| (0..m).map(|t| std::array::from_fn(|i| value(t, first + i))).collect();
        ComplexColumns { re: part(0), im: part(W) }
    }

    /// The largest difference to the definition, over the root of the sum of squares of what is transformed.
    fn error<T: NdFloat, const W: usize>(m: usize) -> f64 {
        let mut columns = values::<T, W>(m);
        let before = columns.clone();
        Fft::new(m).forward(&mut columns, &mut ComplexColumns::zeros(0));
        let roots: Vec<Complex<f64>> = (0..m).map(|t| root(t, m)).collect();
        let at = |columns: &ComplexColumns<T, W>, t: usize| {
            Complex::new(columns.re[t][W - 1].to_f64().unwrap(), columns.im[t][W - 1].to_f64().unwrap())
        };
        let norm = (0..m).map(|t| at(&before, t).norm_sqr()).sum::<f64>().sqrt();
        let dense = |k: usize| (0..m).map(|t| at(&before, t) * roots[k * t % m]).sum::<Complex<f64>>();
        (0..m).map(|k| (at(&columns, k) - dense(k)).norm()).fold(0.0, f64::max) / norm
    }

    #[test]
    fn agrees_with_the_definition() {
        for m in lengths() {
            assert!(error::<f64, 1>(m) < 1e-12, "{m}: {}", error::<f64, 1>(m));
            assert!(error::<f32, 16>(m) < 4e-6, "{m}: {}", error::<f32, 16>(m));
        }
    }

    #[test]
    fn inverse_after_forward_is_the_length() {
        for m in lengths() {
            let (fft, mut columns, mut scratch) = (Fft::new(m), values::<f64, 3>(m), ComplexColumns::zeros(0));
            let before = columns.clone();
            fft.forward(&mut columns, &mut scratch);
            fft.inverse(&mut columns, &mut scratch);
            let all = |columns: &ComplexColumns<f64, 3>| [columns.re.concat(), columns.im.concat()].concat();
            for (a, b) in all(&columns).into_iter().zip(all(&before)) {
                assert!((a - m as f64 * b).abs() < 1e-12 * m as f64, "{m}");
            }
        }
    }
}
