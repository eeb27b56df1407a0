use libtest_mimic::Failed;
use serde_json::Value;
pub fn run(_: &Value) -> Result<(), Failed> {
    Err("todo".into())
}
pub fn run_rpc(_: &Value, _: &Value) -> Result<(), Failed> {
    Err("todo".into())
}
pub fn run_rpc_refusal(_: &[u8]) -> Result<(), Failed> {
    Err("todo".into())
}
