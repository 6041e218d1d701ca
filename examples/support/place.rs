//! `--device cpu|cuda:N`: where a model runs.
#![allow(dead_code)]

use irreplens::model::Interpretable;

/// The processor, or a CUDA device.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device.
    #[cfg(feature = "cuda")]
    Cuda(irreplens::device::Device),
}

impl Place {
    /// Opens what `--device` names and prints what it is.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        if name == "cpu" {
            return Ok(Self::Cpu);
        }
        let number = name.strip_prefix("cuda:").and_then(|number| number.parse::<usize>().ok());
        let ordinal = number.ok_or_else(|| format!("--device {name}: expected cpu or cuda:N"))?;
        Self::cuda(ordinal).map_err(|reason| format!("--device {name}: {reason}").into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(ordinal: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let device = irreplens::device::Device::open(ordinal)?;
        println!("{}", device.info());
        Ok(Self::Cuda(device))
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_: usize) -> Result<Self, Box<dyn std::error::Error>> {
        Err("this program was built without the feature `cuda`".into())
    }

    /// The model there.
    ///
    /// # Errors
    /// Those of moving it.
    pub fn place(&self, model: Box<dyn Interpretable>) -> irreplens::Result<Box<dyn Interpretable>> {
        match self {
            Self::Cpu => Ok(model),
            #[cfg(feature = "cuda")]
            Self::Cuda(device) => {
                use irreplens::model::OfGroup;
                Ok(Box::new(OfGroup::with_fingerprint(model.to_device(device)?, model.fingerprint())))
            }
        }
    }
}
