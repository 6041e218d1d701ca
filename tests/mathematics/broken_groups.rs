//! The law kit against implementors that are deliberately broken.

use irreplens::group::{Elem, Group};
use irreplens::laws::group::{associativity, check, closure, identity, inverse, latin_square};

/// A product on 0..order, with or without its own identity and inverse.
#[derive(Clone, Copy)]
struct Rule {
    order: usize,
    product: fn(usize, usize) -> usize,
    identity: Option<usize>,
    inverse: Option<fn(usize) -> usize>,
}

impl Group for Rule {
    fn order(&self) -> usize {
        self.order
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        Elem::new((self.product)(x.index(), y.index()))
    }
    fn identity(&self) -> Elem {
        match self.identity {
            Some(e) => Elem::new(e),
            None => Product(*self).identity(),
        }
    }
    fn inverse(&self, x: Elem) -> Elem {
        match self.inverse {
            Some(inverse) => Elem::new(inverse(x.index())),
            None => Product(*self).inverse(x),
        }
    }
}

/// The searching defaults, which panic where they find nothing.
struct Product(Rule);

impl Group for Product {
    fn order(&self) -> usize {
        self.0.order
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        self.0.compose(x, y)
    }
}

const SUM: Rule = rule(5, |x, y| (x + y) % 5);

const fn rule(order: usize, product: fn(usize, usize) -> usize) -> Rule {
    Rule { order, product, identity: None, inverse: None }
}

#[test]
fn the_sum_is_sound() {
    assert_eq!(check(&SUM), Ok(()));
}

#[test]
fn empty() {
    let empty = rule(0, |_, _| unreachable!());
    assert_eq!(check(&empty).unwrap_err().law, "closure");
    assert_eq!(identity(&empty).unwrap_err().law, "identity");
    assert_eq!(inverse(&empty).unwrap_err().law, "identity");
    assert_eq!((latin_square(&empty), associativity(&empty)), (Ok(()), Ok(())));
}

#[test]
fn not_closed() {
    let violation = check(&rule(5, |x, y| x + y)).unwrap_err();
    assert_eq!(violation.law, "closure");
    assert_eq!((violation.left.as_str(), violation.right.as_str()), ("#5", "0..5"));
    // Sampled, and passed by on purpose.
    let large = rule(3000, |x, y| x + y);
    assert_eq!(closure(&large).unwrap_err().law, "closure");
    assert_eq!(latin_square(&large).unwrap_err().law, "closure");
}

#[test]
fn latin_but_not_associative() {
    // A loop in which every element is its own inverse: no group of order 5 has an element of order 2.
    const LOOP: [[usize; 5]; 5] = [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]];
    let violation = check(&rule(5, |x, y| LOOP[x][y])).unwrap_err();
    assert_eq!(violation.law, "associativity");
    let subtraction = rule(3000, |x, y| (x + 3000 - y) % 3000);
    assert_eq!(associativity(&subtraction).unwrap_err().law, "associativity");
}

#[test]
fn wrong_identity() {
    let law = |identity| {
        let wrong = Rule { identity, ..SUM };
        check(&wrong).unwrap_err().law
    };
    assert_eq!(law(Some(1)), "left identity");
    assert_eq!(law(Some(7)), "identity");
    // Subtraction has an identity on one side only.
    let subtraction = rule(5, |x, y| (x + 5 - y) % 5);
    assert_eq!(check(&subtraction).unwrap_err().law, "left identity");
    let reversed = rule(5, |x, y| (y + 5 - x) % 5);
    assert_eq!(check(&reversed).unwrap_err().law, "right identity");
}

#[test]
fn wrong_inverse() {
    let law = |inverse| {
        let wrong = Rule { inverse: Some(inverse), ..SUM };
        check(&wrong).unwrap_err().law
    };
    assert_eq!(law(|x| x), "right inverse");
    assert_eq!(law(|x| 5 - x), "inverse");
    // A loop with inverses on the right that fail on the left.
    const ONE_SIDED: [[usize; 5]; 5] =
        [[0, 1, 2, 3, 4], [1, 2, 0, 4, 3], [2, 3, 4, 0, 1], [3, 4, 1, 2, 0], [4, 0, 3, 1, 2]];
    let one_sided = rule(5, |x, y| ONE_SIDED[x][y]);
    assert_eq!(latin_square(&one_sided), Ok(()));
    assert_eq!(inverse(&one_sided).unwrap_err().law, "left inverse");
}

#[test]
fn repeated_entries() {
    assert_eq!(check(&rule(3, |x, _| x)).unwrap_err().law, "latin square row");
    assert_eq!(check(&rule(3, |_, y| y)).unwrap_err().law, "latin square column");
    let violation = check(&rule(3, usize::max)).unwrap_err();
    assert_eq!(violation.to_string(), "law `latin square row` fails at [#1, #1]: #0 against #1");
}

/// Where the searching defaults of the trait would panic.
#[test]
fn nothing_to_be_found() {
    let ones = rule(3, |_, _| 1);
    assert_eq!(identity(&ones).unwrap_err().law, "identity");
    assert_eq!(inverse(&ones).unwrap_err().law, "identity");
    let maximum = rule(3, usize::max);
    assert_eq!(identity(&maximum), Ok(()));
    assert_eq!(associativity(&maximum), Ok(()));
    assert_eq!(inverse(&maximum).unwrap_err().law, "inverse");
}
