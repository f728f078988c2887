# Токены API и его описание.

tokens-title = Токены API
tokens-explain = С токеном другая программа может то же, что и вы, и только то, для чего он выдан.
tokens-docs = Как этим пользоваться
tokens-none = Токенов пока нет.
token-once = Скопируйте токен сейчас: показать его ещё раз нельзя.
token-new = Новый токен
token-name = Название
token-holder = Чьи права
token-service = Программа: { $role }
token-scopes = Для чего
token-used = Последний раз
token-ends = Работает до
token-never = никогда
token-revoked = отозван
token-revoke = Отозвать
token-make = Создать токен
token-days =
    { $n ->
        [one] { $n } день
        [few] { $n } дня
       *[many] { $n } дней
    }
me-tokens = Токены API

error-token-name = У токена должно быть название, не слишком длинное.
error-token-scopes = Укажите, для чего токен: хотя бы что-нибудь одно.
error-token-days = Выберите, сколько токен работает.

scope-calls-read = Читать звонки
scope-calls-dial = Звонить клиентам с моего телефона
scope-cards-read = Читать карточки клиентов
scope-cards-write = Менять карточки и писать заметки
scope-numbers = Видеть номера полностью, где можно мне
scope-lines-read = Читать линии и каналы
scope-recordings-read = Забирать записи
scope-tasks-read = Читать задачи
scope-tasks-write = Закрывать задачи
scope-touches-read = Читать заявки, письма и чаты
scope-touches-write = Передавать заявки, письма и чаты
scope-availability-read = Узнавать, кому можно звонить
scope-availability-write = Указывать, кому можно звонить

docs-title = API
docs-explain = Другие программы обращаются по HTTP с токеном в заголовке. Названия полей и слова одинаковы на всех языках.
docs-document = Документ OpenAPI
docs-scope = Область:
docs-parameter = Параметр
docs-field = Поле
docs-type = Тип
docs-meaning = Что это
docs-optional = необязательно
docs-body = Тело:
docs-answers = Ответы:
docs-types = Типы
docs-problems = Ошибки
docs-problems-explain = О том, что не получилось, сообщает application/problem+json.
