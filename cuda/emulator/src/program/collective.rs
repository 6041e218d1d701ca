//! Barriers and the instructions in which the lanes of a warp work together.

use super::function::Decoder;
use super::{Action, Collective, ShuffleMode, VoteMode};
use crate::machine::registers::Register;
use crate::ptx::LoadError;
use crate::ptx::syntax::Operand;
use crate::ptx::types::Type;

/// Decodes a collective instruction.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    let action = match d.instruction.opcode.as_str() {
        "bar" | "barrier" => decode_barrier(d)?,
        "shfl" => Action::Collective(decode_shuffle(d)?),
        "vote" => Action::Collective(decode_vote(d)?),
        "match" => Action::Collective(decode_match(d)?),
        "mma" => Action::Collective(decode_multiply(d)?),
        "activemask" => {
            let kind = d.kind()?;
            Action::Collective(Collective::Active { result: Register::Word(d.destination(0, kind)?) })
        }
        _ => {
            // Fences: memory is always seen in order here.
            for name in ["cta", "gl", "gpu", "sys", "sc", "acq_rel"] {
                d.take(name);
            }
            return Ok(());
        }
    };
    d.builder.push(action);
    Ok(())
}

fn word(d: &mut Decoder, index: usize) -> Result<Register, LoadError> {
    d.source(index, Type::U32).map(Register::Word)
}

fn decode_barrier(d: &mut Decoder) -> Result<Action, LoadError> {
    let warp = d.take("warp");
    d.take("cta");
    d.take("aligned");
    if !d.take("sync") {
        return Err(d.error("only sync barriers are known"));
    }
    let id = word(d, 0)?;
    if warp {
        return Ok(Action::Collective(Collective::Synchronize { members: id }));
    }
    let count = if d.operand_count() > 1 { Some(word(d, 1)?) } else { None };
    Ok(Action::Barrier { id, count })
}

fn need_sync(d: &mut Decoder) -> Result<(), LoadError> {
    if d.take("sync") { Ok(()) } else { Err(d.error("only the .sync form is known")) }
}

/// Destination operand 0, `register` or `register|predicate`.
fn result_pair(d: &mut Decoder) -> Result<(Option<Register>, Option<Register>), LoadError> {
    match d.operand(0)? {
        Operand::Pair(first, second) => {
            let first = d.destination_register(&Operand::Name(first.clone()))?;
            Ok((first, d.predicate_named(second)?.map(Register::Predicate)))
        }
        single => Ok((d.destination_register(single)?, None)),
    }
}

fn decode_shuffle(d: &mut Decoder) -> Result<Collective, LoadError> {
    need_sync(d)?;
    let kind = d.kind()?;
    let modes = [
        ("idx", ShuffleMode::Index),
        ("up", ShuffleMode::Up),
        ("down", ShuffleMode::Down),
        ("bfly", ShuffleMode::Butterfly),
    ];
    let mode = d.take_choice(&modes).ok_or_else(|| d.error("missing mode"))?;
    let (result, found) = result_pair(d)?;
    let value = d.source(1, kind).map(Register::Word)?;
    let (index, clamp, members) = (word(d, 2)?, word(d, 3)?, word(d, 4)?);
    Ok(Collective::Shuffle { mode, result, found, value, index, clamp, members })
}

fn decode_vote(d: &mut Decoder) -> Result<Collective, LoadError> {
    need_sync(d)?;
    let kind = d.kind()?;
    let modes =
        [("all", VoteMode::All), ("any", VoteMode::Any), ("uni", VoteMode::Uniform), ("ballot", VoteMode::Ballot)];
    let mode = d.take_choice(&modes).ok_or_else(|| d.error("missing mode"))?;
    let result = match kind {
        Type::Pred => Register::Predicate(d.predicate(0)?.0),
        _ => Register::Word(d.destination(0, kind)?),
    };
    let (value, negated) = d.predicate(1)?;
    Ok(Collective::Vote { mode, result, value: Register::Predicate(value), negated, members: word(d, 2)? })
}

fn decode_match(d: &mut Decoder) -> Result<Collective, LoadError> {
    need_sync(d)?;
    let kind = d.kind()?;
    let all = d.take_choice(&[("all", true), ("any", false)]).ok_or_else(|| d.error("missing mode"))?;
    let (result, same) = result_pair(d)?;
    let index = d.source(1, kind)?;
    let value = if kind.bytes() == 8 { Register::Long(index) } else { Register::Word(index) };
    Ok(Collective::Match { all, result, same, value, members: word(d, 2)? })
}

fn decode_multiply(d: &mut Decoder) -> Result<Collective, LoadError> {
    need_sync(d)?;
    d.take("aligned");
    let kinds = [d.kind()?, d.kind()?, d.kind()?, d.kind()?];
    let depth = d.take_choice(&[("m16n8k8", 8), ("m16n8k4", 4)]).ok_or_else(|| d.error("unknown shape"))?;
    if kinds != [Type::F32, Type::Tf32, Type::Tf32, Type::F32] || !(d.take("row") && d.take("col")) {
        return Err(d.error("only TF32 products of rows by columns are known"));
    }
    let mut fragments = Vec::new();
    for (index, count) in [4, depth / 2, depth / 4, 4].into_iter().enumerate() {
        let Operand::Vector(elements) = d.operand(index)? else {
            return Err(d.error(format!("operand {index} is not a vector")));
        };
        if elements.len() != count {
            return Err(d.error(format!("operand {index} needs {count} elements")));
        }
        let mut registers = Vec::new();
        for element in elements {
            registers.push(Register::Word(match index {
                0 => d.destination_operand(element, Type::F32)?,
                _ => d.source_operand(element, Type::F32)?,
            }));
        }
        fragments.push(registers);
    }
    let [d, a, b, c] = fragments.try_into().unwrap_or_default();
    Ok(Collective::MultiplyTf32 { depth, d, a, b, c })
}
