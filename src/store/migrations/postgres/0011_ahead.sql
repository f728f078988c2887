-- Nothing: on PostgreSQL a batch reads under the locks of its own transaction.
select 1;
