//! A few groups of every family.
#![allow(dead_code)]

use irreplens::group::{
    Alternating, CayleyTable, Cyclic, Dicyclic, Dihedral, DirectProduct, Group, SemidirectProduct, Symmetric,
};
use ndarray::Array2;

/// The upper unitriangular 3 x 3 matrices modulo p: (C_p x C_p) x| C_p with h (b, c) = (b, c + h b).
pub fn heisenberg(p: usize) -> SemidirectProduct<DirectProduct<Cyclic, Cyclic>, Cyclic> {
    let line = Cyclic::new(p).unwrap();
    let action = Array2::from_shape_fn((p, p * p), |(h, a)| a / p * p + (a + h * (a / p)) % p);
    SemidirectProduct::new(DirectProduct::new(line, line).unwrap(), line, action).unwrap()
}

/// SL(2,3), the 2 x 2 matrices of determinant 1 modulo 3: order 24, as S4. In the order of their entries, read as a number.
#[allow(dead_code)]
pub fn sl_2_3() -> CayleyTable {
    let entries = |code: usize| [code / 27, code / 9 % 3, code / 3 % 3, code % 3];
    let elements: Vec<[usize; 4]> = (0..81).map(entries).filter(|[a, b, c, d]| (a * d + 2 * b * c) % 3 == 1).collect();
    let product = |x: usize, y: usize| {
        let ([a, b, c, d], [e, f, g, h]) = (elements[x], elements[y]);
        let product = [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h].map(|entry| entry % 3);
        elements.iter().position(|element| *element == product).unwrap()
    };
    CayleyTable::new(Array2::from_shape_fn((24, 24), |(x, y)| product(x, y))).unwrap().with_name("SL(2,3)")
}

pub fn families() -> Vec<Box<dyn Group>> {
    let cyclic = |n| Cyclic::new(n).unwrap();
    let two = || DirectProduct::new(cyclic(2), cyclic(2)).unwrap();
    let mut groups: Vec<Box<dyn Group>> = vec![
        Box::new(two()),
        Box::new(DirectProduct::new(two(), cyclic(2)).unwrap()),
        Box::new(DirectProduct::new(two(), two()).unwrap()),
        Box::new(DirectProduct::new(cyclic(4), cyclic(2)).unwrap()),
        Box::new(DirectProduct::new(Dicyclic::new(2).unwrap(), cyclic(2)).unwrap()),
        Box::new(heisenberg(2)),
        Box::new(heisenberg(3)),
    ];
    for n in 1..=8 {
        groups.push(Box::new(cyclic(n)));
        groups.push(Box::new(Dihedral::new(n).unwrap()));
        groups.push(Box::new(Dicyclic::new(n).unwrap()));
    }
    for n in 1..=5 {
        groups.push(Box::new(Symmetric::new(n).unwrap()));
        groups.push(Box::new(Alternating::new(n).unwrap()));
    }
    for (n, k, unit) in [(4, 4, 3), (8, 2, 3), (8, 2, 5), (7, 2, 6), (3, 4, 2), (5, 4, 2), (7, 3, 2), (9, 6, 2)] {
        groups.push(Box::new(SemidirectProduct::metacyclic(n, k, unit).unwrap()));
    }
    groups
}
