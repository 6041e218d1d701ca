//! Direct products of two groups.

use super::{Elem, Group};
use crate::error::Result;

/// The direct product G x H: (g, h) stands at row `g * |H| + h`, and products are taken in each factor.
///
/// ```
/// use irreplens::group::{Cyclic, DirectProduct, Group, GroupExt};
/// let klein = DirectProduct::new(Cyclic::new(2)?, Cyclic::new(2)?)?;
/// assert_eq!((klein.order(), klein.is_abelian()), (4, true));
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectProduct<G, H> {
    left: G,
    right: H,
}

impl<G: Group, H: Group> DirectProduct<G, H> {
    /// The product of two groups.
    ///
    /// # Errors
    /// [`Error::GroupParameter`](crate::Error::GroupParameter) if its order is 2^31 or more.
    pub fn new(left: G, right: H) -> Result<Self> {
        let order = left.order().saturating_mul(right.order());
        super::parameter("DirectProduct", order)?;
        Ok(Self { left, right })
    }

    /// The left factor.
    pub fn left(&self) -> &G {
        &self.left
    }

    /// The right factor.
    pub fn right(&self) -> &H {
        &self.right
    }

    /// The two components of an element.
    pub fn split(&self, x: Elem) -> (Elem, Elem) {
        let m = self.right.order();
        (Elem::new(x.index() / m), Elem::new(x.index() % m))
    }

    /// The element with these components.
    pub fn join(&self, g: Elem, h: Elem) -> Elem {
        Elem::new(g.index() * self.right.order() + h.index())
    }
}

impl<G: Group, H: Group> Group for DirectProduct<G, H> {
    fn order(&self) -> usize {
        self.left.order() * self.right.order()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let ((g, h), (k, l)) = (self.split(x), self.split(y));
        self.join(self.left.compose(g, k), self.right.compose(h, l))
    }
    fn identity(&self) -> Elem {
        self.join(self.left.identity(), self.right.identity())
    }
    fn inverse(&self, x: Elem) -> Elem {
        let (g, h) = self.split(x);
        self.join(self.left.inverse(g), self.right.inverse(h))
    }
    fn name(&self) -> String {
        format!("{} x {}", self.left.name(), self.right.name())
    }
}
