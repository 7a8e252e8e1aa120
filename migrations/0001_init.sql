-- The tables come with the queue.
SELECT 1;
