//! Hooks of a model on a device.

use super::super::Hooks;
use super::super::hooks::{Action, Values};
use super::program::Block;
use super::upload;
use crate::device::kernels::{self, HookValues, Input};
use crate::device::{Buffer, Device, Matrix, Product};
use crate::error::Result;

/// Hooks with what they need on the device.
pub(crate) struct DeviceHooks<'a> {
    pub(super) host: &'a Hooks,
    hooks: Vec<DeviceHook>,
}

/// `v = keep v + weight value` at some channels and pairs of a site.
struct DeviceHook {
    site: String,
    channels: Option<Buffer<u32>>,
    mask: Option<Buffer<u8>>,
    keep: f32,
    weight: f32,
    place: HookValues,
    /// The values; where they go by row, the rows (count, channels) in whose span the value is the component of v.
    table: Option<Buffer<f32>>,
}

impl<'a> DeviceHooks<'a> {
    /// Hooks that were checked before, with their values on the device.
    pub(super) fn new(device: &Device, host: &'a Hooks) -> Result<Self> {
        let hook = |hook: &super::super::Hook| {
            let values = |values: &Values| match values {
                Values::PerChannel(row) => {
                    Ok((HookValues::ByChannel, Some(Buffer::from_slice(device, "values of a hook", &row.to_vec())?)))
                }
                Values::PerPair(table) => {
                    Ok((HookValues::ByPair, Some(upload(device, "values of a hook", table.view())?)))
                }
            };
            let none = (HookValues::Nothing, None);
            let (keep, weight, (place, table)) = match &hook.action {
                Action::Replace(with) => (0.0, 1.0, values(with)?),
                Action::Add(what) => (1.0, 1.0, values(what)?),
                Action::Scale(factor) => (*factor, 0.0, none),
                Action::Zero => (0.0, 0.0, none),
                Action::ProjectOnto(rows) | Action::ProjectOut(rows) => {
                    let is_onto = matches!(hook.action, Action::ProjectOnto(_));
                    let (keep, weight) = if is_onto { (0.0, 1.0) } else { (1.0, -1.0) };
                    (keep, weight, (HookValues::ByRow, Some(upload(device, "rows of a projection", rows.view())?)))
                }
            };
            let channels: Option<Vec<u32>> = hook.channels.as_ref().map(|c| c.iter().map(|&c| c as u32).collect());
            let mask: Option<Vec<u8>> = hook.pairs.as_ref().map(|mask| mask.iter().map(|&m| u8::from(m)).collect());
            Ok(DeviceHook {
                site: hook.site.clone(),
                channels: channels.map(|c| Buffer::from_slice(device, "channels of a hook", &c)).transpose()?,
                mask: mask.map(|mask| Buffer::from_slice(device, "pairs of a hook", &mask)).transpose()?,
                keep,
                weight,
                place,
                table,
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
        let (device, rows) = (values.device(), block.count);
        let count = self.channels.as_ref().map_or(width, Buffer::len);
        let component = match &self.table {
            Some(span) if self.place == HookValues::ByRow => {
                Some(self.component(device, (rows, width), count, values.input_from(start), span)?)
            }
            _ => None,
        };
        let hook = kernels::HookRows {
            rows,
            width,
            values: values.output_from(start),
            channels: self.channels.as_ref().map(Buffer::input),
            count,
            pairs: block.list,
            first: block.first(),
            mask: self.mask.as_ref().map(Buffer::input),
            keep: self.keep,
            weight: self.weight,
            table: component.as_ref().or(self.table.as_ref()).map(Buffer::input),
            place: self.place,
        };
        hook.launch_over(device, rows * count, 1)
    }

    /// The component of the chosen channels in the span of orthonormal rows: (rows, channels).
    fn component(
        &self,
        device: &Device,
        (rows, width): (usize, usize),
        channels: usize,
        values: Input<'_, f32>,
        span: &Buffer<f32>,
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
        let of_span = span.len() / channels.max(1);
        let coefficients = Buffer::new(device, "coefficients of a projection", rows * of_span)?;
        let (a, b) = (Matrix::new(&part, 0, channels), Matrix::new(span, 0, channels));
        let c = Matrix::new(&coefficients, 0, of_span);
        Product { transpose_b: true, ..Product::new(rows, of_span, channels) }.run(device, a, b, c)?;
        Product::new(rows, channels, of_span).run(device, c, b, a)?;
        Ok(part)
    }
}
