-- Nothing: `directory_version` counts the batches (0011).
select 1;
