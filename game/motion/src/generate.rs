//! stub
use crate::file::LandError;
use crate::plan::ZonePlan;
/// x
#[derive(Debug, Clone)]
pub struct GenerateConfig {}
pub(crate) fn plans(_config: &GenerateConfig) -> Result<Vec<ZonePlan>, LandError> {
    Ok(vec![])
}
