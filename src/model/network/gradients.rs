//! Gradients of logits with respect to the vectors that embed the two elements.

use super::architecture::at;
use super::backward::Back;
use super::forward::Kept;
use super::plan::{Node, NodeId, Request};
use super::sums::{Elements, Sums, Uses};
use super::{Network, Operation, Token};
use crate::error::{Error, Result};
use crate::linalg::Aligned;
use crate::model::{Interpretable, LOGITS};
use crate::task::Pair;
use ndarray::ArrayView2;

/// What is done with the gradients of one logit: its class, and the gradients with respect to the left and the right
/// embedding, (pairs, embed) each.
pub type OnGradients<'a> = dyn FnMut(usize, ArrayView2<'_, f32>, ArrayView2<'_, f32>) + 'a;

impl Network {
    /// The site of the only position at which a token is embedded.
    fn embedded_at(&self, token: Token) -> Result<String> {
        let mut sites = Vec::new();
        for step in &self.architecture().steps {
            if let Operation::Embed { tokens, .. } = &step.operation {
                for (p, _) in tokens.iter().enumerate().filter(|&(_, t)| *t == token) {
                    sites.push(if tokens.len() > 1 { at(&step.name, p) } else { step.name.clone() });
                }
            }
        }
        match sites.len() {
            1 => Ok(sites.remove(0)),
            _ => {
                let needs = "a network that embeds each element once";
                Err(Error::Unsupported { analysis: "gradients with respect to the embeddings", needs })
            }
        }
    }

    /// See [`Interpretable::logit_gradients`].
    pub(super) fn embedding_gradients(
        &self,
        pairs: &[Pair],
        classes: &[usize],
        on_gradients: &mut OnGradients<'_>,
    ) -> Result<()> {
        let order = self.order();
        let of_pairs = pairs.iter().flat_map(|(x, y)| [x.index(), y.index()]);
        if let Some(got) = of_pairs.chain(classes.iter().copied()).find(|&element| element >= order) {
            return Err(Error::UnknownElement { order, got });
        }
        let sites = [self.embedded_at(Token::Left)?, self.embedded_at(Token::Right)?];
        let mut hooked = sites.to_vec();
        hooked.sort_unstable();
        let prepared = self.prepared(Request { hooked, kept: vec![LOGITS.into()], backward: true });
        let plan = &prepared.plan;
        let node = |site: &String| -> NodeId {
            let is = |node: &Node| matches!(node, Node::Hooked(_, of) if of == site);
            plan.nodes.iter().position(|other| is(&other.node)).expect("hooked sites are nodes")
        };
        let [left, right] = [node(&sites[0]), node(&sites[1])];
        let numbers = self.numbers(&prepared);
        let rows: Vec<[u32; 2]> = pairs.iter().map(|(x, y)| [x.index() as u32, y.index() as u32]).collect();
        let mut values = vec![Aligned::default(); plan.nodes.len()];
        numbers.forward(&rows, &mut values, Kept::InPlace, |_, of, _, _| of);
        let logits = plan.logits.expect("logits are kept");
        // Nothing is summed over pairs.
        let uses = Uses::none();
        let (mut back, mut sums) = (Back::default(), Sums::new(plan, &uses, Elements::default()));
        for &class in classes {
            let of = &mut values[logits][..order * rows.len()];
            of.fill(0.0);
            of[class * rows.len()..][..rows.len()].fill(1.0);
            numbers.backward(&rows, &values, &uses, &mut back, &mut sums);
            let gradient = |node: NodeId| {
                let width = plan.nodes[node].width;
                let zeros = || vec![0.0; rows.len() * width];
                let of = back.of(node).map_or_else(zeros, |of| of[..rows.len() * width].to_vec());
                ndarray::Array2::from_shape_vec((rows.len(), width), of).expect("one row a pair")
            };
            on_gradients(class, gradient(left).view(), gradient(right).view());
        }
        Ok(())
    }
}
