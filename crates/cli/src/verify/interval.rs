//! Interval arithmetic, rounded outwards: the true result of an operation lies in the interval that it gives.
//!
//! A result of `f64`, rounded to the nearest number, is at most half a step from the true one, so that the next number down and
//! the next one up enclose it; below the smallest normal number and beyond the largest one too.

/// Real numbers from `lo` up to `hi`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Interval {
    pub lo: f64,
    pub hi: f64,
}

impl Interval {
    /// The interval of one number.
    pub fn point(value: f64) -> Self {
        Self { lo: value, hi: value }
    }

    /// The interval of all numbers.
    const ALL: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    fn outward(lo: f64, hi: f64) -> Self {
        match lo.is_nan() || hi.is_nan() {
            true => Self::ALL,
            false => Self { lo: lo.next_down(), hi: hi.next_up() },
        }
    }

    /// Whether both ends are finite.
    pub fn is_finite(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    /// Whether the interval is 0 alone.
    pub fn is_zero(self) -> bool {
        self.lo == 0.0 && self.hi == 0.0
    }

    /// The sum.
    pub fn add(self, other: Self) -> Self {
        Self::outward(self.lo + other.lo, self.hi + other.hi)
    }

    /// The difference.
    pub fn sub(self, other: Self) -> Self {
        Self::outward(self.lo - other.hi, self.hi - other.lo)
    }

    /// The product; all numbers where an end of a factor is infinite.
    pub fn mul(self, other: Self) -> Self {
        if !self.is_finite() || !other.is_finite() {
            return Self::ALL;
        }
        let products = [self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi];
        let [lo, hi] = products.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], &p| [lo.min(p), hi.max(p)]);
        Self::outward(lo, hi)
    }

    /// The larger one of 0 and the number.
    pub fn relu(self) -> Self {
        Self { lo: self.lo.max(0.0), hi: self.hi.max(0.0) }
    }

    /// The square.
    pub fn square(self) -> Self {
        let least = if self.lo > 0.0 { self.lo } else { (-self.hi).max(0.0) };
        let most = self.magnitude();
        let squares = Self::outward(least * least, most * most);
        Self { lo: squares.lo.max(0.0), ..squares }
    }

    /// The largest absolute value.
    pub fn magnitude(self) -> f64 {
        self.hi.max(-self.lo)
    }

    /// A number in the interval, near its middle.
    pub fn middle(self) -> f64 {
        (0.5 * self.lo + 0.5 * self.hi).clamp(self.lo, self.hi)
    }

    /// How far a number of the interval may be from `value`, at most.
    pub fn distance(self, value: f64) -> f64 {
        self.sub(Self::point(value)).magnitude()
    }
}

/// At least the sum of some numbers none of which is below 0, and each of which may be a product of such, where `computed` is what
/// `f64` makes of it in any order and `terms` is at least their number.
///
/// The computed sum is at least `1 - k u` times the true one with `k = terms + 1` and `u = EPSILON / 2`, but for products that are
/// below the smallest normal number.
pub(super) fn above(computed: f64, terms: usize) -> f64 {
    let terms = (terms + 4) as f64;
    (computed * (1.0 + 4.0 * terms * f64::EPSILON) + terms * f64::MIN_POSITIVE).next_up()
}

/// Half a unit in the last place of 1 in `f64`: a result is this far from the true one, relatively.
pub(super) const DOUBLE: f64 = f64::EPSILON / 2.0;

/// Half a unit in the last place of 1 in `f32`.
pub(super) const SINGLE: f64 = f32::EPSILON as f64 / 2.0;

/// `k u / (1 - k u)`, rounded up: a sum of products whose terms are rounded at most k times each, by u relatively, is this far
/// from the true one, relative to the sum of the products without signs. Source: Higham 2002, "Accuracy and Stability of
/// Numerical Algorithms", section 3.1.
pub(super) fn gamma(roundings: usize, unit: f64) -> f64 {
    let ku = roundings as f64 * unit;
    match ku < 0.5 {
        true => above(ku / (1.0 - ku), 4),
        false => f64::INFINITY,
    }
}

/// The largest of some numbers none of which is below 0; infinite where one is none.
pub(super) fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, v| if v.is_nan() { f64::INFINITY } else { most.max(v) })
}

#[cfg(test)]
mod tests {
    use super::{DOUBLE, Interval, above, gamma};

    /// Numbers of all sizes and both signs.
    fn numbers() -> Vec<f64> {
        let mut state = 7u64;
        let mut all = vec![0.0, 1.0, -1.0, 0.1, -0.1, f64::MIN_POSITIVE, 5e-324, -5e-324, 1e300, -1e300, f64::MAX];
        for _ in 0..40 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            all.push(
                (state >> 11) as f64 * 2f64.powi((state % 61) as i32 - 80) * if state & 64 == 0 { 1.0 } else { -1.0 },
            );
        }
        all
    }

    /// Sums and products hold what they are rounded from: of numbers of 26 bits both are exact, so that a second rounding shows.
    #[test]
    fn operations_enclose() {
        let coarse = |v: f64| f64::from(v as f32);
        for (a, b) in numbers().iter().flat_map(|&a| numbers().into_iter().map(move |b| (a, b))) {
            let (p, q) = (Interval::point(a), Interval::point(b));
            for (interval, value) in [(p.add(q), a + b), (p.sub(q), a - b), (p.mul(q), a * b), (p.square(), a * a)] {
                assert!(interval.lo <= value && value <= interval.hi, "{a} {b}: {interval:?} {value}");
                assert!(interval.lo < value || value == 0.0 && interval.lo == 0.0 || value == f64::NEG_INFINITY);
            }
            // The error of a rounded sum, exactly: Knuth's two-sum.
            let (a, b) = (coarse(a), coarse(b));
            if a.is_finite() && b.is_finite() {
                let sum = a + b;
                let back = sum - a;
                let error = (a - (sum - back)) + (b - back);
                let interval = Interval::point(a).add(Interval::point(b));
                assert!(interval.lo - sum <= error && error <= interval.hi - sum);
            }
        }
    }

    #[test]
    fn functions_enclose() {
        let interval = Interval { lo: -2.0, hi: 3.0 };
        assert_eq!(interval.relu(), Interval { lo: 0.0, hi: 3.0 });
        let square = interval.square();
        assert!(square.lo == 0.0 && square.hi >= 9.0 && square.hi < 9.0 + 1e-14);
        let square = Interval { lo: -3.0, hi: -2.0 }.square();
        assert!(square.lo <= 4.0 && square.lo > 4.0 - 1e-14 && square.hi >= 9.0);
        assert!(interval.distance(1.0) >= 3.0 && interval.magnitude() == 3.0 && interval.middle() == 0.5);
        let product = interval.mul(Interval { lo: -1.0, hi: 4.0 });
        assert!(product.lo <= -8.0 && product.hi >= 12.0);
        assert!(!Interval::point(0.0).mul(Interval { lo: 0.0, hi: f64::INFINITY }).is_finite());
    }

    #[test]
    fn bounds_are_above() {
        let sum = (0..1000).fold(0.0, |sum, _| sum + 0.1);
        assert!(above(sum, 1000) >= 100.00000000000001 && above(sum, 1000) < 100.001);
        assert!(gamma(10, DOUBLE) >= 10.0 * DOUBLE && gamma(10, DOUBLE) < 11.0 * DOUBLE);
        assert!(gamma(usize::MAX, DOUBLE) == f64::INFINITY && above(0.0, 0) > 0.0);
    }
}
