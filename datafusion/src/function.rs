//! Services in SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::TableReference;
use datafusion::common::plan_err;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;
use futures_util::FutureExt as _;

use crate::service::SparkService;
use crate::sharing::with_shared_limits;
use crate::table::SparkTable;

/// Makes services known to SQL as the table function `spark_service`, whose arguments are the
/// locator of the service and the name of a table or view, as texts:
///
/// ```sql
/// SELECT policy_id, premium FROM spark_service('my-folder/term-life', 'policies') WHERE age > 40
/// ```
///
/// A query over a query needs a view: `CREATE VIEW young AS SELECT ..`. A second call replaces the
/// services of the first.
pub fn register_spark_services(
    context: &SessionContext,
    services: impl IntoIterator<Item = SparkService>,
) {
    let services = services.into_iter();
    let services = services
        .map(|service| (service.locator().to_owned(), service))
        .collect();
    {
        let state = context.state_ref();
        let mut state = state.write();
        *state = with_shared_limits(state.clone());
    }
    context.register_udtf("spark_service", Arc::new(SparkFunction { services }));
}

#[derive(Debug)]
struct SparkFunction {
    services: BTreeMap<String, SparkService>,
}

impl TableFunctionImpl for SparkFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [locator, table] = args.exprs() else {
            return plan_err!(
                "spark_service takes two arguments: the service and the name of a table, as in \
                 spark_service('my-folder/term-life', 'policies')"
            );
        };
        let (locator, table) = (text(locator)?, text(table)?);
        let Some(service) = self.services.get(&locator) else {
            let known: Vec<_> = self.services.keys().map(String::as_str).collect();
            return plan_err!(
                "the service `{locator}` is not registered; those that are: `{}`",
                known.join("`, `")
            );
        };
        let reference = TableReference::parse_str(&table);
        let catalog = &args.session().config_options().catalog;
        let resolved = reference
            .clone()
            .resolve(&catalog.default_catalog, &catalog.default_schema);
        let schema = args
            .session()
            .catalog_list()
            .catalog(&resolved.catalog)
            .and_then(|catalog| catalog.schema(&resolved.schema));
        let Some(schema) = schema else {
            return plan_err!("there is no schema for the table `{table}`");
        };
        // The planner does not wait here; tables of the session need no waiting.
        let found = match schema.table(&resolved.table).now_or_never() {
            Some(found) => found?,
            None => {
                return plan_err!(
                    "the table `{table}` is in a catalog that has to be asked for it; register it \
                     with the session, or use the method of DataFrame"
                );
            }
        };
        let Some(provider) = found else {
            return plan_err!("there is no table `{table}`");
        };
        let plan = LogicalPlanBuilder::scan(reference, provider_as_source(provider), None)?;
        Ok(Arc::new(SparkTable::try_new(
            plan.build()?,
            service.clone(),
        )?))
    }
}

fn text(argument: &Expr) -> Result<String> {
    match argument {
        Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::Utf8View(Some(text))
            | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Ok(text.clone()),
        other => plan_err!("the arguments of spark_service are texts, not {other}"),
    }
}
