"""What a storm changed: two dates of one place compared, building by building."""
