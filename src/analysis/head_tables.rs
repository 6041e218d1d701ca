//! What the heads of a layer do in words, and as tables.

use super::heads::{Carried, Head, HeadLosses, LayerHeads, Written, listed};
use super::table::{Cell, Table, Term};
use super::terms::*;
use crate::fourier::BlockId;
use crate::model::Evaluation;
use std::fmt;

const NOT_ASKED: &str = "the model does not allow to ask: see the notes";
const NO_VARIANCE: &str = "what the head writes does not vary";
const NO_PATTERN_VARIANCE: &str = "the pattern does not vary";
const NO_SUCH_MAP: &str = "the map is zero";
const NO_NEURONS: &str = "the block has no neurons, or not between these sites";

impl LayerHeads {
    /// What each head carries, and what the loss needs of it, one sentence after the other for each head.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let share = |share: f64| Cell::Share(share).to_string();
        let of_head = |(h, head): (usize, &Head)| {
            let mut text = format!("Head {h}");
            if let Some(w) = head.written {
                let [x, y, both] = [w.of_left, w.of_right, w.of_both].map(|part| share(part.unwrap_or(0.0)));
                text.push_str(&match w.carries() {
                    Carried::Constant => " writes a constant".to_owned(),
                    Carried::Left => format!(" reads x ({x} of what it writes)"),
                    Carried::Right => format!(" reads y ({y} of what it writes)"),
                    Carried::Both => format!(
                        " reads both elements (of what it writes {x} is a function of x, {y} of y, {both} of both)"
                    ),
                });
            }
            let looks = self.patterns.heads[h].iter().enumerate();
            let looks: Vec<String> = looks
                .map(|(p, a)| format!("{} at position {p} (deviation {})", share(a.mean), Cell::Number(a.deviation)))
                .collect();
            text.push_str(&format!("; it looks {}.", looks.join(", ")));
            if let Some(maps) = &head.maps {
                let most = self.patterns.heads[h].iter().map(|a| a.mean).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
                let blocks = most.map_or_else(Vec::new, |(p, _)| maps[p].varying());
                text.push_str(&match blocks.is_empty() {
                    true => {
                        " What it carries to the neurons is constant, or in no block more than in others.".to_owned()
                    }
                    false => format!(" To the neurons it carries {}.", self.named(&blocks)),
                });
            }
            if let Some(losses) = head.losses {
                text.push_str(&format!(
                    " The loss, {}, becomes {} with its pattern frozen at the mean, and {} with the head off.",
                    Cell::Number(self.whole.loss),
                    Cell::Number(losses.frozen.loss),
                    Cell::Number(losses.off.loss)
                ));
            }
            text
        };
        let mut all: Vec<String> = self.heads.iter().enumerate().map(of_head).collect();
        if let Some(together) = self.together {
            all.push(format!(
                "With all patterns frozen the loss is {}, with all heads off {}.",
                Cell::Number(together.frozen.loss),
                Cell::Number(together.off.loss)
            ));
        }
        all
    }

    /// Which element each head reads, in one sentence.
    #[must_use]
    pub fn in_short(&self) -> Option<String> {
        let carries = |head: &Head| Some(head.written?.carries());
        let all = self.heads.iter().map(carries).collect::<Option<Vec<_>>>()?;
        let of = |which: Carried| {
            let heads: Vec<String> = (0..all.len()).filter(|&h| all[h] == which).map(|h| h.to_string()).collect();
            let plural = heads.len() > 1;
            let read = match which {
                Carried::Constant if plural => "write a constant".to_owned(),
                Carried::Constant => "writes a constant".to_owned(),
                Carried::Both => format!("{} both elements", if plural { "read" } else { "reads" }),
                element => format!("{} {element}", if plural { "read" } else { "reads" }),
            };
            (!heads.is_empty()).then(|| format!("head{} {} {read}", if plural { "s" } else { "" }, heads.join(", ")))
        };
        let kinds = [Carried::Left, Carried::Right, Carried::Both, Carried::Constant];
        let said: Vec<String> = kinds.into_iter().filter_map(of).collect();
        Some(format!("In attention ({}) {}.", self.patterns.site, said.join("; ")))
    }

    fn named(&self, blocks: &[(BlockId, f64)]) -> String {
        let name = |&(b, share): &(BlockId, f64)| format!("{} {}", self.blocks[b.index()].name, Cell::Share(share));
        blocks.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// What each head carries and what the loss becomes without parts of it, one row a head and one for all.
    #[must_use]
    pub fn table(&self) -> Table {
        let losses = |losses: Option<HeadLosses>| {
            let all = [losses.map(|l| Some(l.frozen)), losses.map(|l| Some(l.off)), losses.map(|l| l.direct_off)];
            all.map(|found| match found {
                None => Cell::Missing(NOT_ASKED.into()),
                Some(evaluation) => Cell::number(evaluation.map(|e| e.loss), NO_NEURONS),
            })
        };
        let row = |(h, head): (usize, &Head)| {
            let shares = |w: Written| [w.of_left, w.of_right, w.of_both].map(|share| Cell::share(share, NO_VARIANCE));
            let missing = || Cell::Missing(NOT_ASKED.into());
            let mut row = vec![Cell::text(h.to_string())];
            row.push(head.written.map_or_else(missing, |w| Cell::text(w.carries().to_string())));
            row.extend(head.written.map_or_else(|| [(); 3].map(|()| missing()), shares));
            row.extend(losses(head.losses));
            row
        };
        let several = || Cell::Missing("the row is of several heads".into());
        let all = [Cell::text("all"), several(), several(), several(), several()].into_iter();
        let all = all.chain(losses(self.together)).collect();
        let columns =
            vec![HEAD, HEAD_CARRIES, HEAD_OF_LEFT, HEAD_OF_RIGHT, HEAD_OF_BOTH, HEAD_FROZEN, HEAD_OFF, HEAD_DIRECT];
        let rows = self.heads.iter().enumerate().map(row).chain([all]).collect();
        Table { title: format!("What the heads carry: {}", self.patterns.site), columns, rows }
    }

    /// The blocks that the pattern of every head varies along at every key position, and those of its map to the neurons.
    #[must_use]
    pub fn block_table(&self) -> Table {
        let energies = &self.spectrum.by_block;
        let heads = self.patterns.heads.len();
        let row = |(h, p): (usize, usize)| {
            let c = p * heads + h;
            let whole = energies.energy_centred[c];
            let varies = self.patterns.heads[h][p].of_left.is_some();
            let share = |part: f64| Cell::share(varies.then(|| part / whole), NO_PATTERN_VARIANCE);
            let [x, y, product] =
                [&energies.linear_x, &energies.linear_y, &energies.product].map(|of| of.row(c).iter().sum::<f64>());
            let of_pattern: Vec<f64> = (0..self.blocks.len()).map(|b| energies.in_block(c, b)).collect();
            let named = |blocks: &[(BlockId, f64)], none: &'static str| match blocks.is_empty() {
                true => Cell::Missing(none.into()),
                false => Cell::text(self.named(blocks)),
            };
            let mut row = vec![Cell::Count(h), Cell::Count(p), share(x), share(y), share(product)];
            row.push(match varies {
                true => named(&listed(&of_pattern, whole), "no block has a share of 5 %"),
                false => Cell::Missing(NO_PATTERN_VARIANCE.into()),
            });
            let map = self.heads[h].maps.as_ref().map(|maps| &maps[p]);
            let constant = map.map(|map| Cell::share(map.shares.as_ref().map(|shares| shares[0]), NO_SUCH_MAP));
            row.push(constant.unwrap_or(Cell::Missing(NOT_ASKED.into())));
            row.push(map.map_or(Cell::Missing(NOT_ASKED.into()), |map| {
                named(&map.varying(), "the map is constant, or no block has a share of 5 % of what varies")
            }));
            row
        };
        let columns =
            vec![HEAD, POSITION, PATTERN_X, PATTERN_Y, PATTERN_PRODUCT, PATTERN_BLOCKS, MAP_CONSTANT, MAP_BLOCKS];
        let places = self.patterns.heads.iter().enumerate().flat_map(|(h, at)| (0..at.len()).map(move |p| (h, p)));
        let rows = places.map(row).collect();
        Table { title: format!("Heads in these coordinates: {}", self.coordinates), columns, rows }
    }

    /// The loss without the stream that goes round the neurons, in two ways.
    #[must_use]
    pub fn stream_table(&self) -> Table {
        let row = |what: &str, found: Option<Evaluation>| {
            let loss = Cell::number(found.map(|e| e.loss), NOT_ASKED);
            vec![Cell::text(what), loss, Cell::share(found.map(|e| e.accuracy), NOT_ASKED)]
        };
        let what = Term::new("what reaches the logits", "What is left of the model.");
        let rows = vec![
            row("the model as it is", Some(self.whole)),
            row("what the neurons of the block write, their biases too", self.stream_off),
            row("the neurons' own linear path alone, without biases", self.path_alone),
        ];
        Table { title: "Without the stream round the neurons".into(), columns: vec![what, LOSS, ACCURACY], rows }
    }
}

impl fmt::Display for LayerHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}\n\n{}\n\n{}\n", self.patterns, self.table(), self.block_table(), self.stream_table())?;
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}."))?;
        f.write_str(&self.in_words().join("\n"))
    }
}
