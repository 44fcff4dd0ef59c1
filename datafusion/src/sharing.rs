//! One limit of batches for all queries with a service.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::exec::SparkExec;
use crate::service::external;

const RULE: &str = "share_spark_limits";

/// The batches that there may be at a time, for all queries that share the limits of a service.
#[derive(Debug)]
pub(crate) struct Gate {
    batches: u32,
    free: Arc<Semaphore>,
}

/// The permission to have batches, and memory for them, which is given back first. Those of a query
/// end when its last run has ended.
pub(crate) type Permit = Arc<(MemoryReservation, Vec<OwnedSemaphorePermit>)>;

/// All runs of a query that share limits with others.
///
/// They go through their gates together: a run that waited while others of its query hold batches,
/// and wait for its rows or for it to take theirs, would wait forever.
#[derive(Debug)]
pub(crate) struct Group {
    /// With the number of runs behind each. In an order that is the same for all queries, so that no
    /// two of them wait for each other.
    gates: Vec<(Arc<Gate>, AtomicU32)>,
    /// Of all runs.
    memory: AtomicUsize,
    permit: Mutex<Weak<(MemoryReservation, Vec<OwnedSemaphorePermit>)>>,
}

impl Gate {
    pub(crate) fn new(batches: usize) -> Arc<Self> {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let batches = u32::try_from(batches).unwrap_or(most).min(most);
        let free = Arc::new(Semaphore::new(batches as usize));
        Arc::new(Self { batches, free })
    }
}

impl Group {
    fn new(operators: &[Arc<Gate>]) -> Arc<Self> {
        let mut gates = operators.to_vec();
        gates.sort_by_key(Arc::as_ptr);
        gates.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let gates = gates.into_iter().map(|gate| (gate, AtomicU32::new(0)));
        Arc::new(Self {
            gates: gates.collect(),
            memory: AtomicUsize::new(0),
            permit: Mutex::default(),
        })
    }

    fn add_runs(&self, gate: &Arc<Gate>, runs: usize, memory: usize) {
        let memory = memory.saturating_mul(runs);
        self.memory.fetch_add(memory, Ordering::Relaxed);
        let runs = u32::try_from(runs).unwrap_or(u32::MAX);
        let known = self
            .gates
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, gate));
        if let Some((_, sum)) = known {
            sum.fetch_add(runs, Ordering::Relaxed);
        }
    }

    /// Waits until there is room for the whole query, and reserves the memory of all its runs. Not
    /// before, since a query that waits has to leave the memory to others; and for all at once, so
    /// that a query that is too large opens no batch.
    pub(crate) async fn enter(&self, memory: MemoryReservation) -> Result<Permit> {
        let mut permit = self.permit.lock().await;
        if let Some(permit) = permit.upgrade() {
            return Ok(permit);
        }
        let mut all = Vec::with_capacity(self.gates.len());
        for (gate, runs) in &self.gates {
            // Each operator has a batch, even if there are more of them than there may be batches.
            let runs = runs.load(Ordering::Relaxed).min(gate.batches);
            let free = Arc::clone(&gate.free);
            all.push(free.acquire_many_owned(runs).await.map_err(external)?);
        }
        memory.try_grow(self.memory.load(Ordering::Relaxed))?;
        let all = Arc::new((memory, all));
        *permit = Arc::downgrade(&all);
        Ok(all)
    }
}

/// Divides the batches among the operators of a query that share them.
#[derive(Debug)]
struct ShareLimits;

impl PhysicalOptimizerRule for ShareLimits {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // The gate of each operator, more than once where operators share one.
        let mut gates: Vec<Arc<Gate>> = Vec::new();
        plan.apply(|node| {
            gates.extend(gate_of(node).cloned());
            Ok(TreeNodeRecursion::Continue)
        })?;
        if gates.is_empty() {
            return Ok(plan);
        }
        let group = Group::new(&gates);
        let share = |node: Arc<dyn ExecutionPlan>| {
            let (Some(exec), Some(gate)) = (node.downcast_ref::<SparkExec>(), gate_of(&node))
            else {
                return Ok(Transformed::no(node));
            };
            let operators = gates.iter().filter(|of| Arc::ptr_eq(of, gate)).count();
            let most = (gate.batches as usize / operators).max(1);
            let exec = exec.in_group(Arc::clone(&group), most);
            group.add_runs(gate, exec.partitions(), exec.memory());
            Ok(Transformed::yes(Arc::new(exec) as _))
        };
        plan.transform_up(share).data()
    }

    fn name(&self) -> &str {
        RULE
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn gate_of(node: &Arc<dyn ExecutionPlan>) -> Option<&Arc<Gate>> {
    node.downcast_ref::<SparkExec>().and_then(SparkExec::gate)
}

/// The state of a session whose queries keep within the limits of services together.
pub(crate) fn with_shared_limits(state: SessionState) -> SessionState {
    let rules = state.physical_optimizers();
    if rules.iter().any(|rule| rule.name() == RULE) {
        return state;
    }
    let id = state.session_id().to_owned();
    SessionStateBuilder::new_from_existing(state)
        .with_session_id(id)
        .with_physical_optimizer_rule(Arc::new(ShareLimits))
        .build()
}
