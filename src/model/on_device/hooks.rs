//! Hooks of a model on a device.

use super::super::Hooks;
use super::super::hooks::{Action, Values};
use super::program::Block;
use crate::device::kernels::{self, HookValues, Input};
use crate::device::{Buffer, Device, Matrix, Product};
use crate::error::Result;
use ndarray::Array2;

/// Hooks with what they need on the device.
pub(crate) struct DeviceHooks<'a> {
    pub(super) host: &'a Hooks,
    hooks: Vec<DeviceHook>,
}

struct DeviceHook {
    site: String,
    channels: Option<Buffer<u32>>,
    /// Number of channels acted on, where they are listed.
    count: Option<usize>,
    mask: Option<Buffer<u8>>,
    action: DeviceAction,
}

enum DeviceAction {
    /// v = keep v + weight value.
    Affine { keep: f32, weight: f32, table: Option<Buffer<f32>>, place: HookValues },
    /// v = keep v + weight (component of v in the span of `rows` (count, channels)).
    Project { keep: f32, weight: f32, rows: Buffer<f32>, count: usize },
}

impl<'a> DeviceHooks<'a> {
    /// Hooks that were checked before, with their values on the device.
    pub(super) fn new(device: &Device, host: &'a Hooks) -> Result<Self> {
        let matrix = |what, matrix: &Array2<f32>| {
            let matrix = matrix.as_standard_layout();
            Buffer::from_slice(device, what, matrix.as_slice().expect("standard layout"))
        };
        let affine = |keep, weight, values: &Values| {
            let (table, place) = match values {
                Values::PerChannel(row) => {
                    (Buffer::from_slice(device, "values of a hook", &row.to_vec())?, HookValues::ByChannel)
                }
                Values::PerPair(table) => (matrix("values of a hook", table)?, HookValues::ByPair),
            };
            Ok(DeviceAction::Affine { keep, weight, table: Some(table), place })
        };
        let plain = |keep| DeviceAction::Affine { keep, weight: 0.0, table: None, place: HookValues::Nothing };
        let project = |keep, weight, rows: &Array2<f32>| {
            Ok(DeviceAction::Project { keep, weight, rows: matrix("rows of a projection", rows)?, count: rows.nrows() })
        };
        let hook = |hook: &super::super::Hook| {
            let channels: Option<Vec<u32>> = hook.channels.as_ref().map(|c| c.iter().map(|&c| c as u32).collect());
            let mask: Option<Vec<u8>> = hook.pairs.as_ref().map(|mask| mask.iter().map(|&m| u8::from(m)).collect());
            Ok(DeviceHook {
                site: hook.site.clone(),
                count: channels.as_ref().map(Vec::len),
                channels: channels.map(|c| Buffer::from_slice(device, "channels of a hook", &c)).transpose()?,
                mask: mask.map(|mask| Buffer::from_slice(device, "pairs of a hook", &mask)).transpose()?,
                action: match &hook.action {
                    Action::Replace(values) => affine(0.0, 1.0, values)?,
                    Action::Add(values) => affine(1.0, 1.0, values)?,
                    Action::Scale(factor) => plain(*factor),
                    Action::Zero => plain(0.0),
                    Action::ProjectOnto(rows) => project(0.0, 1.0, rows)?,
                    Action::ProjectOut(rows) => project(1.0, -1.0, rows)?,
                },
            })
        };
        Ok(Self { host, hooks: host.iter().map(hook).collect::<Result<_>>()? })
    }

    /// Applies those on `site` to its activations (rows, width), which begin at `start` of a buffer, in order.
    pub(super) fn apply(
        &self,
        site: &str,
        block: Block<'_>,
        width: usize,
        values: &Buffer<f32>,
        start: usize,
    ) -> Result<()> {
        self.hooks.iter().filter(|hook| hook.site == site).try_for_each(|hook| hook.apply(block, width, values, start))
    }
}

impl DeviceHook {
    fn apply(&self, block: Block<'_>, width: usize, values: &Buffer<f32>, start: usize) -> Result<()> {
        let device = values.device().clone();
        let channels = self.count.unwrap_or(width);
        let component;
        let (keep, weight, table, place) = match &self.action {
            DeviceAction::Affine { keep, weight, table, place } => (*keep, *weight, table.as_ref(), *place),
            DeviceAction::Project { keep, weight, rows: span, count } => {
                let from = values.input_from(start);
                component = self.component(&device, (block.count, width), channels, from, span, *count)?;
                (*keep, *weight, Some(&component), HookValues::ByRow)
            }
        };
        let hook = kernels::HookRows {
            rows: block.count,
            width,
            values: values.output_from(start),
            channels: self.channels.as_ref().map(Buffer::input),
            count: channels,
            pairs: block.list,
            first: block.first(),
            mask: self.mask.as_ref().map(Buffer::input),
            keep,
            weight,
            table: table.map(Buffer::input),
            place,
        };
        hook.launch_over(&device, block.count * channels, 1)
    }

    /// The component of the chosen channels in the span of orthonormal rows: (rows, channels).
    fn component(
        &self,
        device: &Device,
        (rows, width): (usize, usize),
        channels: usize,
        values: Input<'_, f32>,
        span: &Buffer<f32>,
        count: usize,
    ) -> Result<Buffer<f32>> {
        let part = Buffer::new(device, "channels of a projection", rows * channels)?;
        let take = kernels::TakeChannels {
            rows,
            width,
            values,
            channels: self.channels.as_ref().map(Buffer::input),
            count: channels,
            out: part.output(),
        };
        take.launch_over(device, rows * channels, 1)?;
        let coefficients = Buffer::new(device, "coefficients of a projection", rows * count)?;
        let (a, b) = (Matrix::new(&part, 0, channels), Matrix::new(span, 0, channels));
        let c = Matrix::new(&coefficients, 0, count);
        Product::new(rows, count, channels).transpose_b().run(device, a, b, c.output())?;
        Product::new(rows, channels, count).run(device, c, b, a.output())?;
        Ok(part)
    }
}
