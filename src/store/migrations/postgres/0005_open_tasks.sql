-- The writer passes a card's open tasks on with every change of its owner.
create index task_open_by_card on task (card) where done_at is null;
