get_store()
return managers()
